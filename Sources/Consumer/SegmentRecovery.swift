import Kafka
import Messaging
import Output
import Platform

/// Reads segments again whose images were incomplete when another consumer stored them: the files in which it assembled
/// them were on its host.
struct SegmentRecovery {
  let kafka: KafkaSettings
  let store: ImageStore

  private static let patience = Duration.seconds(10)
  /// Messages between two segments that are read and thrown away rather than skipped with another connection.
  private static let smallGap: Int64 = 1_000
  /// Bytes of messages that are restored together.
  private static let mostBytes = 8 << 20

  /// - Parameters:
  ///   - offsets: in order.
  ///   - beat: called often.
  /// - Throws: `KafkaError` if the broker does not answer. Messages that the topic no longer has are left out.
  func run(
    _ topic: String, _ partition: Int32, _ offsets: [Range<Int64>], _ known: Catalog.Topic, beat: () -> Void
  ) throws {
    for near in Self.near(offsets) { try read(topic, partition, near, known, beat: beat) }
  }

  /// Ranges that are near each other, together.
  static func near(_ offsets: [Range<Int64>]) -> [[Range<Int64>]] {
    var groups: [[Range<Int64>]] = []
    for range in offsets {
      if let last = groups.last?.last, range.lowerBound - last.upperBound <= smallGap {
        groups[groups.count - 1].append(range)
      } else {
        groups.append([range])
      }
    }
    return groups
  }

  private func read(
    _ topic: String, _ partition: Int32, _ offsets: [Range<Int64>], _ known: Catalog.Topic, beat: () -> Void
  ) throws {
    guard let first = offsets.first, let last = offsets.last else { return }
    let scan = try PartitionScan(
      kafka, topic: topic, partition: partition, from: first.lowerBound, timeout: Self.patience)
    var (some, bytes) = ([any Message](), 0)
    var wanted = offsets[...]
    while let message = try scan.next(timeout: Self.patience), message.offset < last.upperBound {
      beat()
      while let range = wanted.first, range.upperBound <= message.offset { wanted.removeFirst() }
      guard wanted.first?.contains(message.offset) == true else { continue }
      some.append(message)
      bytes += message.size
      guard bytes >= Self.mostBytes else { continue }
      try store.restore(some, of: known)
      (some, bytes) = ([], 0)
    }
    if !some.isEmpty { try store.restore(some, of: known) }
  }
}
