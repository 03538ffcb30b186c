import Output
import Wire

/// Decides when the last stored message of a partition is looked at again. The partitions take turns.
///
/// librdkafka before 2.4 does not know topic ids: it takes a re-created topic for the old one and continues at the old
/// offset. If no message arrives, nothing else reveals that.
struct TopicLook {
  typealias Instant = ContinuousClock.Instant

  private var due: Instant?
  private var turn = 0

  static let interval = Duration.seconds(2)

  /// - Parameter marks: the last stored message of each partition.
  /// - Returns: the message to look at now; nil if none is due. The next interval begins with the next call.
  mutating func next(of marks: [Int32: MessageMark], at now: Instant) -> (partition: Int32, mark: MessageMark)? {
    guard let due else {
      due = now + Self.interval
      return nil
    }
    guard now >= due, !marks.isEmpty else { return nil }
    self.due = nil
    turn += 1
    let chosen = marks.sorted { $0.key < $1.key }[turn % marks.count]
    return (chosen.key, chosen.value)
  }
}
