import Cluster
import Kafka
import Output
import Platform

/// Notices that a topic was deleted and made anew under a running consumer.
///
/// librdkafka before 2.4 knows no topic ids: it takes the new topic for the old one and goes on at the offset where it was.
/// Where the new one has as many messages by then, those before that offset would never be seen. But to be made anew takes a
/// topic a while in which nothing comes; so behind each such pause the last stored message is looked at again.
final class TopicDoubt {
  private let topic: String
  private let rereader: Rereader
  /// When each partition brought its last message.
  private var last: [Int32: Int64] = [:]
  private var doubtful: Set<Int32> = []
  private var nextLook: Int64 = 0
  private var turn = 0

  /// A topic is not deleted, made, filled and found again by the client in less, in ms.
  private static let pause: Int64 = 100
  /// How often a partition is looked at where nothing comes, each in turn, in ms.
  private static let interval: Int64 = 2_000
  private static let patience = 2_000

  init(topic: String, rereader: Rereader) {
    self.topic = topic
    self.rereader = rereader
    nextLook = Clock.monotonicMilliseconds + Self.interval
  }

  /// The assignment is another one, and starts with a look of its own.
  func dispel() {
    last = [:]
    doubtful = []
  }

  func delivered(_ partition: Int32) {
    let now = Clock.monotonicMilliseconds
    if let before = last[partition], now - before > Self.pause { doubtful.insert(partition) }
    last[partition] = now
  }

  /// - Parameter mark: the last message that was stored of the partition.
  /// - Throws: where the broker does not say what it has.
  func isConfirmed(_ partition: Int32, _ mark: Catalog.Mark) throws -> Bool {
    guard doubtful.contains(partition) else { return true }
    guard try isThere(mark, partition) else { return false }
    doubtful.remove(partition)
    return true
  }

  /// Looks at one of the partitions, now and then.
  func isAnother(_ marks: [Int32: Catalog.Mark]) -> Bool {
    guard Clock.monotonicMilliseconds >= nextLook, !marks.isEmpty else { return false }
    turn += 1
    let partition = marks.keys.sorted()[turn % marks.count]
    defer { nextLook = Clock.monotonicMilliseconds + Self.interval }
    // A broker that is away is of no concern here.
    return (try? isThere(marks[partition]!, partition)) == false
  }

  /// True, too, where the message has expired or was compacted away.
  private func isThere(_ mark: Catalog.Mark, _ partition: Int32) throws -> Bool {
    let found = try rereader.read(
      topic: topic, partition: partition, offset: mark.offset, timeoutMilliseconds: Self.patience)
    return found == nil || found?.mark == mark
  }
}
