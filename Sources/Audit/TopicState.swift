import Kafka
package import Output
import Platform

/// A partition as the broker, the group and the catalog have it.
package struct PartitionState: Equatable, Sendable {
  /// The first offset that the partition holds.
  package var low: Int64
  /// The offset that its next message will get.
  package var high: Int64
  /// The group's committed offset; nil if nothing is committed, or if it could not be read.
  package var committed: Int64?
  /// The same if a consumer of this output has committed it, and not a tool or a consumer of another catalog.
  package var committedHere: Int64?
  /// nil if no message of the partition is stored, or if there is no output.
  package var position: Catalog.PartitionPosition?

  /// Where consumers continue. If that is behind the partition's end, the topic was re-created or lost its end, and they
  /// begin with its first message.
  private var next: Int64? { position.flatMap { $0.next > high ? nil : $0.next } }

  /// Messages that consumers have yet to read.
  var unread: Int { Int(high - max(low, next ?? low)) }

  /// The offsets that the topic no longer had when they were to be stored.
  var lost: Range<Int64>? {
    guard let next = position?.next, next < low else { return nil }
    return next..<low
  }

  /// What shows that the position is not the one that consumers stored; nil if nothing does.
  var displacement: String? {
    guard let position else { return nil }
    if position.next > high {
      return "the catalog continues at offset \(position.next), and the partition ends at \(high). If the topic was "
        + "re-created, the next consumer reads it from its beginning"
    }
    if let last = position.last, last != position.next - 1 {
      return "the catalog continues at offset \(position.next), and the last message that it stored has offset \(last)"
    }
    // What is read again had been committed further. After lost messages, consumers commit the offset that follows them.
    if let committedHere, committedHere > max(position.next, low), !position.isReadAgain {
      return "the catalog continues at offset \(position.next), and its consumers have committed \(committedHere)"
    }
    return nil
  }

  /// What became of a message that is not in the output.
  enum Passage { case unread, lost, passed }

  func passage(of offset: Int64) -> Passage {
    if offset >= high { return .lost }
    guard let next else { return offset < low ? .lost : .unread }
    return offset < next ? .passed : offset < low ? .lost : .unread
  }
}

/// Reads the states of a topic's partitions. It joins no group and commits nothing.
struct TopicReader {
  let client: KafkaConsumer
  let topic: String
  let stop: StopFlag

  private static let answer = Duration.seconds(20)

  /// The group's committed offsets. They have to be read before the positions in the catalog, which they follow.
  func committed(_ count: Int) throws -> [Int32: KafkaConsumer.Commit] {
    try client.commits(partitions: Array(0..<Int32(count)), timeout: Self.answer)
  }

  /// The first and the next offset of each partition.
  func marks(_ count: Int) throws -> [Int32: (low: Int64, high: Int64)] {
    var marks: [Int32: (low: Int64, high: Int64)] = [:]
    for partition in 0..<Int32(count) {
      try stop.check("not everything was compared")
      marks[partition] = try client.watermarks(of: topic, partition: partition, timeout: Self.answer)
    }
    return marks
  }
}
