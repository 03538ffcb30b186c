import Kafka
import Output
import Wire

/// One assigned partition: where the client reads it, which of its messages are new to the catalog, and whether the topic
/// is still the one that the catalog knows. A pure state machine.
///
/// ```
///  stored before          ┌──────────┐  that message, a later one, or an end after it
///  ──────────────────────▶│ checking │──────────────────────────────┐
///                         └────┬─────┘                              ▼
///  nothing stored yet          │          ┌───────────┐  end    ┌───────┐
///  ────────────────────────────┼─────────▶│ following │────────▶│ ended │
///                              │          └───┬───▲───┘◀────────└───┬───┘
///                              │ out of range │   │ message         │
///                              ▼              ▼   │                 │
///                         ┌───────────┐◀──────────┼─────────────────┘ out of range
///                         │ searching │───────────┘ a message (or an end: `ended`) at or after the missing offset
///                         └───────────┘
/// ```
/// In each state the topic may turn out to be another one: `checking` sees another message or an end that is too early,
/// `searching` a beginning that is too early, `following` and `ended` an end before what is stored.
///
/// Each state says where to read. Until the client reads there (`isPlaced`), its messages and ends come from another
/// offset. They are ignored: if they counted as new, they would hide the messages before them.
struct PartitionSession: Equatable {
  typealias Instant = ContinuousClock.Instant

  enum State: Equatable {
    /// Reading starts one message early, to see that this is still the message before the position.
    case checking(MessageMark)
    /// Every message from the expected offset on is new.
    case following
    /// Everything before this offset has been delivered.
    case ended(at: Int64)
    /// The broker does not have the offset. The partition is read from its beginning, and the first event tells why.
    ///
    /// The beginning and end that the broker reports are not relied on: librdkafka 2.0.2 may give the end for both if
    /// one of its two questions fails, and everything in between would be passed over.
    case searching(for: Int64)
  }

  private enum Placement: Equatable {
    case placed
    case seek(due: Instant)
  }

  enum Delivery: Equatable {
    /// The message is new: store it.
    case new
    /// It is stored or handed out already.
    case known
    /// It belongs to a topic that was re-created under the name.
    case otherTopic
  }

  /// Messages that can never be stored.
  enum Loss: Equatable {
    /// They were removed from the topic before they were stored.
    case gap(Range<Int64>)
    /// This many were removed before this output knew of the partition.
    case neverSeen(Int64)
  }

  private(set) var state: State
  /// The catalog's position when this process last read or wrote it; nil if there was none. The next transaction
  /// compares it with the catalog.
  private(set) var stored: Catalog.Position?
  /// The next new message has this offset or a later one.
  private(set) var expected: Int64
  private var placement: Placement
  /// The offset after the last new message.
  private var taken: Int64?
  /// When the last message arrived; before the first one, when the end was reached.
  private var lastReceived: (mark: MessageMark?, at: Instant)?
  /// The last message before a pause in which the topic may have been re-created, until it is confirmed.
  private(set) var doubted: MessageMark?
  private var loss: Loss?
  /// Offsets after the stored position that can never be stored.
  private(set) var lost: [Range<Int64>] = []

  /// The shortest pause in which a topic can be deleted, re-created, filled, and found again by the client.
  static let pause = Duration.milliseconds(100)
  /// The delay before a failed seek is tried again.
  static let seekRetry = Duration.seconds(1)

  /// - Parameter position: the catalog's position; nil if there is none.
  init(_ position: Catalog.Position?, at now: Instant) {
    stored = position
    expected = position?.next ?? 0
    state = position?.last.map { .checking($0) } ?? .following
    placement = .seek(due: now)
  }

  // MARK: Where to read

  /// Where the client has to read.
  var start: KafkaConsumer.StartOffset {
    switch state {
    case .checking(let mark): .at(mark.offset)
    case .searching: .beginning
    case .following, .ended: stored == nil && taken == nil && expected == 0 ? .beginning : .at(expected)
    }
  }

  var isPlaced: Bool { placement == .placed }

  func isSeekDue(at now: Instant) -> Bool {
    switch placement {
    case .placed: false
    case .seek(let due): due <= now
    }
  }

  mutating func placed() { placement = .placed }
  mutating func seekFailed(at now: Instant) { placement = .seek(due: now + Self.seekRetry) }

  /// The client is to seek the same offset again: its fetches were refused, and nothing else would reveal that they no
  /// longer are.
  mutating func readAgain(at now: Instant) {
    if isPlaced { placement = .seek(due: now) }
  }

  // MARK: What the client delivers

  /// To be called for messages that arrive while the partition is placed.
  mutating func received(_ mark: MessageMark, at now: Instant) -> Delivery {
    defer { lastReceived = (mark, now) }
    if let last = lastReceived, now - last.at > Self.pause, doubted == nil { doubted = last.mark ?? stored?.last }
    switch state {
    case .searching(let missing):
      guard explain(missing, by: mark.offset) else { return .otherTopic }
    case .checking(let known):
      // It is from before the offset where reading starts, so it tells nothing.
      guard mark.offset >= known.offset else { return .known }
      // A later message only shows that ours has been removed since, by compaction or age.
      if mark.offset == known.offset, mark != known { return .otherTopic }
    case .following, .ended: break
    }
    state = .following
    noteBeginning(at: mark.offset)
    guard mark.offset >= expected else { return .known }
    expected = mark.offset + 1
    taken = expected
    return .new
  }

  /// Everything before `offset` has been delivered. To be called while the partition is placed.
  /// - Returns: false if the topic ends before the stored position: it is another topic.
  mutating func reachedEnd(_ offset: Int64, at now: Instant) -> Bool {
    if lastReceived == nil { lastReceived = (nil, now) }
    switch state {
    case .searching(let missing):
      guard explain(missing, by: offset) else { return false }
    case .checking(let known):
      // An end after it: the message before the position would have arrived by now, so it was removed.
      guard offset > known.offset else { return false }
    case .following, .ended: break
    }
    guard offset >= stored?.next ?? 0 else { return false }
    noteBeginning(at: offset)
    state = .ended(at: offset)
    return true
  }

  /// The broker does not have the offset that was asked for. To be called while the partition is placed.
  mutating func outOfRange(at now: Instant) {
    let missing =
      switch state {
      case .checking(let mark): mark.offset
      case .searching(let missing): missing
      case .following, .ended: expected
      }
    state = .searching(for: missing)
    placement = .seek(due: now)
  }

  /// - Parameter first: the first offset that the partition has.
  /// - Returns: false if that is before the missing offset: it is another topic.
  private mutating func explain(_ missing: Int64, by first: Int64) -> Bool {
    guard first >= missing else { return false }
    if first > expected {
      loss = .gap(expected..<first)
      lost.append(expected..<first)
      expected = first
    }
    return true
  }

  /// - Parameter first: the first offset that the partition has.
  private mutating func noteBeginning(at first: Int64) {
    guard stored == nil, taken == nil, expected == 0, first > 0 else { return }
    loss = .neverSeen(first)
    lost.append(0..<first)
    expected = first
  }

  /// The loss that was found. It is returned once.
  mutating func takeLoss() -> Loss? {
    guard loss != nil else { return nil }
    defer { loss = nil }
    return loss
  }

  /// Receipts say that these offsets are lost.
  mutating func reported(_ ranges: [Range<Int64>]) { lost.removeAll(where: ranges.contains) }

  /// The doubted message is still there, or it has expired.
  mutating func confirmed() { doubted = nil }

  // MARK: What is stored

  /// The catalog has this position now.
  mutating func stored(_ position: Catalog.Position) {
    stored = position
    lost.removeAll { $0.upperBound <= position.next }
    expected = max(expected, position.next)
  }

  /// True if all new messages are stored.
  private var isSettled: Bool { taken == nil || taken == stored?.next }

  private var end: Int64? {
    switch state {
    case .ended(let offset): offset
    case .checking, .following, .searching: nil
    }
  }

  /// True if nothing is left to store before the end, which has been seen and not passed since.
  var isAtEnd: Bool { isPlaced && isSettled && end != nil }

  /// The offset that may be committed to Kafka, for those who watch the group.
  var committable: Int64? { isSettled ? end ?? stored?.next : stored?.next }

  static func == (one: PartitionSession, other: PartitionSession) -> Bool {
    one.state == other.state && one.stored == other.stored && one.expected == other.expected
      && one.placement == other.placement && one.taken == other.taken && one.doubted == other.doubted
  }
}
