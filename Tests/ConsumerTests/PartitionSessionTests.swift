import TestSupport
import Testing

@testable import Consumer
@testable import Output
@testable import Wire

/// What one partition makes of what the client delivers.
@Suite("One assigned partition") struct PartitionSessionTests {
  private let now = ContinuousClock.now

  /// The message at an offset, as the topic had it at first, or as the one that was re-created under its name has it.
  private func mark(_ offset: Int64, recreated: Bool = false) -> MessageMark {
    MessageMark(offset: offset, timestamp: 1_000 + offset, key: digest(of: "\(recreated) \(offset)"))
  }

  private func position(_ next: Int64) -> Catalog.Position { Catalog.Position(next: next, last: mark(next - 1)) }

  private func session(_ position: Catalog.Position?) -> PartitionSession {
    var session = PartitionSession(position, at: now)
    session.placed()
    return session
  }

  /// As the client does after a seek.
  private func outOfRange(_ session: inout PartitionSession) {
    session.outOfRange(at: now)
    #expect(!session.isPlaced && session.isSeekDue(at: now))
    #expect(session.start == .beginning)
    session.placed()
  }

  // MARK: Where it starts

  @Test("an unknown partition starts at the beginning") func unknownPartition() {
    var session = session(nil)
    #expect(session.start == .beginning)
    #expect(session.stored == nil)
    #expect(session.received(mark(0), at: now) == .new)
    #expect(session.received(mark(1), at: now) == .new)
  }

  @Test("a known partition starts one message early and goes on") func knownPartition() {
    var session = session(position(10))
    #expect(session.start == .at(9))
    #expect(session.received(mark(9), at: now) == .known)
    #expect(session.received(mark(10), at: now) == .new)
  }

  @Test("a position without a message before it starts there") func positionWithoutMark() {
    var session = session(Catalog.Position(next: 4, last: nil))
    #expect(session.start == .at(4))
    #expect(session.received(mark(4), at: now) == .new)
  }

  @Test("a message before a gap is where it starts") func markBeforeGap() {
    // The position may be further on than the message before it: offsets have gaps.
    #expect(session(Catalog.Position(next: 10, last: mark(6))).start == .at(6))
  }

  @Test("a partition whose fetches were refused is read again where it was, its check included")
  func readAgainKeepsCheck() {
    var session = session(position(10))
    session.readAgain(at: now)
    #expect(session.isSeekDue(at: now) && session.start == .at(9))
    session.placed()
    #expect(session.received(mark(9), at: now) == .known && session.received(mark(10), at: now) == .new)
    session.readAgain(at: now)
    #expect(session.start == .at(11))
    outOfRange(&session)
    session.readAgain(at: now)
    #expect(session.start == .beginning)
  }

  @Test("a seek that fails is due again a second later") func seekFails() {
    var session = PartitionSession(position(10), at: now)
    #expect(session.isSeekDue(at: now))
    session.seekFailed(at: now)
    #expect(!session.isPlaced && !session.isSeekDue(at: now + .milliseconds(999)))
    #expect(session.isSeekDue(at: now + .seconds(1)))
  }

  // MARK: Another topic

  @Test("another message at the checked offset is another topic") func otherMessage() {
    var key = session(position(10))
    #expect(key.received(mark(9, recreated: true), at: now) == .otherTopic)
    var time = session(position(10))
    #expect(
      time.received(MessageMark(offset: 9, timestamp: nil, key: mark(9).key), at: now) == .otherTopic)
  }

  @Test("a topic that ends before the position is another topic") func earlyEnd() {
    for end in 0...9 {
      var session = session(position(10))
      #expect(session.reachedEnd(Int64(end), at: now) == false, "\(end)")
      #expect(!session.isAtEnd)
    }
    var whole = session(position(10))
    #expect(whole.received(mark(9), at: now) == .known)
    #expect(whole.reachedEnd(10, at: now) == true)
    #expect(whole.isAtEnd)
    #expect(whole.reachedEnd(9, at: now) == false)
  }

  @Test("a topic that begins before the missing offset is another topic") func earlyBeginning() {
    for first: Int64 in [0, 5, 8] {
      var session = session(position(10))
      outOfRange(&session)
      #expect(session.received(mark(first), at: now) == .otherTopic)
      #expect(session.takeLoss() == nil)
    }
    var empty = session(position(10))
    outOfRange(&empty)
    #expect(empty.reachedEnd(0, at: now) == false)
  }

  @Test("an earlier message does not end the check") func earlierMessage() {
    var session = session(position(10))
    #expect(session.received(mark(8), at: now) == .known)
    #expect(session.received(mark(9, recreated: true), at: now) == .otherTopic)
  }

  // MARK: Gaps and losses

  @Test("a checked message that was compacted away does not make the topic another one") func compactedMark() {
    var session = session(position(10))
    #expect(session.received(mark(14), at: now) == .new)
    #expect(session.received(mark(20), at: now) == .new)
  }

  @Test("the end is reached if the message before it was removed") func removedBeforeEnd() {
    // Nothing was delivered, and the partition ends behind what is stored: ours is gone, and so is all behind it.
    var session = session(position(10))
    #expect(session.reachedEnd(15, at: now) == true)
    #expect(session.isAtEnd)
    #expect(session.committable == 15)
    #expect(session.received(mark(15), at: now) == .new)
  }

  @Test("what is delivered again is skipped") func deliveredAgain() {
    var session = session(position(10))
    #expect(session.received(mark(9), at: now) == .known)
    #expect(session.received(mark(10), at: now) == .new)
    #expect(session.received(mark(11), at: now) == .new)
    for offset: Int64 in [9, 10, 11, 0] { #expect(session.received(mark(offset), at: now) == .known) }
    #expect(session.received(mark(12), at: now) == .new)
  }

  @Test("gaps are no loss") func gaps() {
    var session = session(nil)
    #expect(session.received(mark(7), at: now) == .new)
    #expect(session.received(mark(1_000_000), at: now) == .new)
  }

  @Test("what an unknown partition has lost is counted once") func neverSeen() {
    var session = session(nil)
    #expect(session.takeLoss() == nil)
    #expect(session.received(mark(7), at: now) == .new)
    #expect(session.takeLoss() == .neverSeen(7))
    #expect(session.received(mark(9), at: now) == .new)
    #expect(session.takeLoss() == nil)

    var empty = self.session(nil)
    #expect(empty.reachedEnd(7, at: now) == true && empty.isAtEnd)
    #expect(empty.takeLoss() == .neverSeen(7))
    #expect(empty.reachedEnd(7, at: now) == true && empty.received(mark(8), at: now) == .new)
    #expect(empty.takeLoss() == nil)

    var whole = self.session(nil)
    #expect(whole.received(mark(0), at: now) == .new && whole.reachedEnd(1, at: now))
    #expect(whole.takeLoss() == nil)
    var known = self.session(position(10))
    #expect(known.received(mark(12), at: now) == .new)
    #expect(known.takeLoss() == nil)
  }

  @Test("retention that was faster is told with what is lost") func retention() {
    var session = session(position(10))
    outOfRange(&session)
    #expect(session.takeLoss() == nil)
    #expect(session.received(mark(15), at: now) == .new)
    #expect(session.takeLoss() == .gap(10..<15))
    // Told once.
    #expect(session.takeLoss() == nil)
    #expect(session.received(mark(16), at: now) == .new)
    #expect(session.takeLoss() == nil)
  }

  @Test("retention while reading is told too") func retentionWhileReading() {
    var session = session(nil)
    #expect(session.received(mark(0), at: now) == .new)
    outOfRange(&session)
    #expect(session.received(mark(4), at: now) == .new)
    #expect(session.takeLoss() == .gap(1..<4))
  }

  @Test("an offset that is out of range twice is still the one that is missed") func outOfRangeTwice() {
    var session = session(position(10))
    outOfRange(&session)
    outOfRange(&session)
    #expect(session.received(mark(8), at: now) == .otherTopic)
  }

  @Test("retention that took only what is stored loses nothing") func harmlessRetention() {
    var session = session(position(10))
    outOfRange(&session)
    #expect(session.received(mark(10), at: now) == .new)
    #expect(session.takeLoss() == nil)
  }

  @Test("if everything has expired, it is lost to the end") func allExpired() {
    var session = session(position(10))
    outOfRange(&session)
    #expect(!session.isAtEnd)
    #expect(session.reachedEnd(20, at: now) == true)
    #expect(session.takeLoss() == .gap(10..<20))
    #expect(session.isAtEnd)
  }

  @Test("lost offsets are kept until the position has passed them, or a receipt reports them") func keptLosses() {
    var session = session(position(10))
    outOfRange(&session)
    #expect(session.received(mark(15), at: now) == .new)
    #expect(session.takeLoss() == .gap(10..<15))
    outOfRange(&session)
    #expect(session.received(mark(20), at: now) == .new)
    #expect(session.lost == [10..<15, 16..<20])
    session.stored(position(16))
    #expect(session.lost == [16..<20])
    session.reported([10..<15])
    #expect(session.lost == [16..<20])
    session.reported([16..<20])
    #expect(session.lost == [])

    var unknown = self.session(nil)
    #expect(unknown.reachedEnd(7, at: now) == true)
    #expect(unknown.lost == [0..<7])
  }

  // MARK: The end, and what may be committed

  @Test("an empty partition is at its end") func emptyPartition() {
    var session = session(nil)
    #expect(!session.isAtEnd)
    #expect(session.reachedEnd(0, at: now) == true)
    #expect(session.isAtEnd)
    #expect(session.committable == 0)
  }

  @Test("the end counts once all that was taken is stored") func endAfterStoring() {
    var session = session(nil)
    _ = session.received(mark(0), at: now)
    _ = session.received(mark(1), at: now)
    #expect(session.reachedEnd(2, at: now) == true)
    #expect(!session.isAtEnd)
    #expect(session.committable == nil)
    session.stored(position(1))
    #expect(!session.isAtEnd)
    #expect(session.committable == 1)
    session.stored(position(2))
    #expect(session.isAtEnd)
    #expect(session.committable == 2)
    #expect(session.stored == position(2))
  }

  @Test("a message behind the end takes the end back") func messageBehindEnd() {
    var session = session(nil)
    #expect(session.reachedEnd(0, at: now) == true)
    #expect(session.received(mark(0), at: now) == .new)
    #expect(!session.isAtEnd)
    #expect(session.state == .following)
    session.stored(position(1))
    #expect(session.committable == 1)
    #expect(!session.isAtEnd)
  }

  @Test("control records behind the last message may be committed") func controlRecords() {
    var session = session(nil)
    _ = session.received(mark(0), at: now)
    session.stored(position(1))
    #expect(session.reachedEnd(2, at: now) == true)
    #expect(session.committable == 2)
    #expect(session.isAtEnd)
  }

  @Test("nothing is committed of what is unknown") func nothingToCommit() { #expect(session(nil).committable == nil) }

  // MARK: Doubts

  @Test("after a pause the message before it is doubted, until it is confirmed") func doubtAfterPause() {
    var session = session(nil)
    _ = session.received(mark(0), at: now)
    _ = session.received(mark(1), at: now + .milliseconds(100))
    #expect(session.doubted == nil)
    _ = session.received(mark(2), at: now + .milliseconds(201))
    #expect(session.doubted == mark(1))
    // A later pause does not change what the topic was before the first one.
    _ = session.received(mark(3), at: now + .seconds(1))
    #expect(session.doubted == mark(1))
    session.confirmed()
    #expect(session.doubted == nil)
    _ = session.received(mark(4), at: now + .seconds(2))
    #expect(session.doubted == mark(3))
  }

  @Test("if the end came first, the last stored message is doubted after a pause") func doubtAfterEnd() {
    // It has expired, so nothing but the end was delivered.
    var session = session(position(10))
    #expect(session.reachedEnd(13, at: now) == true)
    _ = session.received(mark(13), at: now + .milliseconds(101))
    #expect(session.doubted == mark(9))
  }
}
