import Output

/// When the last stored message of a partition is looked at again, each partition in turn.
///
/// librdkafka before 2.4 knows no topic ids: it takes a re-created topic for the old one and goes on at the offset where it
/// was. If nothing comes, nothing else tells.
struct TopicLook {
  typealias Instant = ContinuousClock.Instant

  private var due: Instant?
  private var turn = 0

  static let interval = Duration.seconds(2)

  /// - Parameter marks: the last stored message of each partition.
  /// - Returns: one that is to be looked at now. The next interval begins with the next call.
  mutating func next(of marks: [Int32: Catalog.Mark], at now: Instant) -> (partition: Int32, mark: Catalog.Mark)? {
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
