/// The progress of a session.
extension ConsumerSession {
  /// How long the group has assigned nothing, not even an empty set of partitions.
  func waited(at now: Instant) -> Duration? {
    switch state {
    case .waiting(let since, _): now - since
    case .new, .unread, .recreated, .reading: nil
    }
  }

  /// True if everything in the assigned partitions is stored, up to the end that the broker has shown. Between two
  /// assignments it is true as well.
  var isCaughtUp: Bool {
    switch state {
    case .reading: waiting.isEmpty && partitions.values.allSatisfy(\.isAtEnd)
    case .waiting(_, let wasAssigned): wasAssigned
    case .new, .unread, .recreated: false
    }
  }

  /// Offsets after the stored positions that can never be stored, by partition.
  var lost: [Int32: [Range<Int64>]] { partitions.mapValues(\.lost).filter { !$0.value.isEmpty } }

  /// The offset to commit for each partition of which anything is known.
  var committable: [Int32: Int64] { partitions.compactMapValues(\.committable) }
}
