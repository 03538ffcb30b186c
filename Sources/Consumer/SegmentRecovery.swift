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
  /// Bytes of messages that are restored together.
  private static let mostBytes = 8 << 20

  /// - Parameter offsets: in order.
  /// - Throws: `KafkaError` if the broker does not answer. Messages that the topic no longer has are left out.
  func run(_ topic: String, _ partition: Int32, _ offsets: [Range<Int64>], _ known: Catalog.Topic) throws {
    guard let first = offsets.first, let last = offsets.last else { return }
    let scan = try PartitionScan(
      kafka, topic: topic, partition: partition, from: first.lowerBound, timeout: Self.patience)
    var (some, bytes) = ([any Message](), 0)
    while let message = try scan.next(timeout: Self.patience), message.offset < last.upperBound {
      guard offsets.contains(where: { $0.contains(message.offset) }) else { continue }
      some.append(message)
      bytes += message.size
      guard bytes >= Self.mostBytes else { continue }
      try store.restore(some, of: known)
      (some, bytes) = ([], 0)
    }
    if !some.isEmpty { try store.restore(some, of: known) }
  }
}
