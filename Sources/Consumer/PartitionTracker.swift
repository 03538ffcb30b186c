import Output

/// Follows one assigned partition: which of its messages are new to the catalog, and whether the topic is still the
/// one that the catalog knows. A pure state machine: what it returns is what has to be done.
struct PartitionTracker: Equatable {
  /// What the catalog had when this process last read or wrote there; nil where it knew nothing. The next transaction
  /// compares it.
  private(set) var stored: Catalog.Position?
  /// The offset that the next new message has at least.
  private(set) var expected: Int64
  /// Behind the last message that was handed out to be stored.
  private var handedOut: Int64?
  /// The message before the position, until the topic has shown it again.
  private var unverified: Catalog.Mark?
  /// The offset that the broker did not have, until the partition's beginning has shown why.
  private var missing: Int64?
  /// Offsets that were removed from the topic before they were stored, until somebody has taken note.
  private var gap: Range<Int64>?
  /// How many messages a partition of which nothing was stored had lost by then, until somebody has taken note.
  private var neverSeen: Int64?
  /// The end of the partition, once everything before it has been delivered.
  private(set) var end: Int64?

  init(_ position: Catalog.Position?) {
    stored = position
    expected = position?.next ?? 0
    unverified = position?.last
  }

  /// Where to start: one message early, to see that it is still the one we know.
  var start: Int64? { unverified?.offset ?? stored?.next }

  enum MessageAction: Equatable {
    /// It is new: store it.
    case store
    /// It is stored already.
    case skip
    /// Another message stands where ours stood: the topic was made anew.
    case topicIsNew
  }

  mutating func delivered(_ mark: Catalog.Mark) -> MessageAction {
    end = nil
    guard explainMissing(by: mark.offset) else { return .topicIsNew }
    noteBeginning(at: mark.offset)
    if let known = unverified {
      unverified = nil
      // A later one only says that ours has been removed since, by compaction or age.
      if mark.offset == known.offset { return mark == known ? .skip : .topicIsNew }
    }
    guard mark.offset >= expected else { return .skip }
    expected = mark.offset + 1
    handedOut = expected
    return .store
  }

  /// Everything before `offset` has been delivered. Returns false where the topic ends before what is stored of it.
  mutating func reachedEnd(_ offset: Int64) -> Bool {
    guard explainMissing(by: offset) else { return false }
    noteBeginning(at: offset)
    if let known = unverified, offset <= known.offset { return false }
    guard offset >= (stored?.next ?? 0) else { return false }
    // The message before the position would have come by now: it was removed.
    unverified = nil
    end = offset
    return true
  }

  /// The broker does not have the offset that was asked for: start at the beginning, and what comes first tells why.
  ///
  /// What the broker *says* of its beginning and end is not relied on: librdkafka 2.0.2 may give the end for both where
  /// one of its two questions fails, and everything in between would be passed over.
  mutating func outOfRange() {
    missing = unverified?.offset ?? expected
    end = nil
  }

  /// - Parameter first: the first offset that the partition has.
  /// - Returns: false where it ends before the missing one: another topic.
  private mutating func explainMissing(by first: Int64) -> Bool {
    guard let asked = missing else { return true }
    missing = nil
    guard first >= asked else { return false }
    unverified = nil
    if first > expected {
      gap = expected..<first
      expected = first
    }
    return true
  }

  /// - Parameter first: the first offset that the partition has.
  private mutating func noteBeginning(at first: Int64) {
    guard stored == nil, handedOut == nil, expected == 0, first > 0 else { return }
    neverSeen = first
    expected = first
  }

  /// How many messages were removed before this output knew of the partition, once; nil where there were none.
  mutating func takeNeverSeen() -> Int64? {
    defer { neverSeen = nil }
    return neverSeen
  }

  /// The offsets that are lost, once.
  mutating func takeGap() -> Range<Int64>? {
    defer { gap = nil }
    return gap
  }

  /// The position is in the catalog now.
  mutating func committed(_ position: Catalog.Position) {
    stored = position
    // Assigned anew while the batch was stored, it would start before what is stored by now.
    expected = max(expected, position.next)
  }

  /// True where all that was handed out is stored.
  private var isSettled: Bool { handedOut == nil || handedOut == stored?.next }

  /// True where nothing is left to store before the end, which has been seen and not passed since.
  var isAtEnd: Bool { unverified == nil && missing == nil && isSettled && end != nil }

  /// What Kafka may be told, for those who watch the group.
  var committable: Int64? { isSettled ? end ?? stored?.next : stored?.next }
}
