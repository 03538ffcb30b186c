import TestSupport
import Testing

@testable import Consumer
@testable import Output

/// The message at an offset, as the topic had it at first; `anew`: as the one that was made anew under its name has it.
private func mark(_ offset: Int64, anew: Bool = false) -> Catalog.Mark {
  Catalog.Mark(offset: offset, timestamp: 1_000 + offset, key: digest(of: "\(anew) \(offset)"))
}

private func position(_ next: Int64) -> Catalog.Position { Catalog.Position(next: next, last: mark(next - 1)) }

@Suite struct PartitionTrackerTests {
  @Test func anUnknownPartitionStartsAtTheBeginning() {
    var tracker = PartitionTracker(nil)
    #expect(tracker.start == nil)
    #expect(tracker.stored == nil)
    #expect(tracker.delivered(mark(0)) == .store)
    #expect(tracker.delivered(mark(1)) == .store)
  }

  @Test func whatAnUnknownPartitionHasLostIsCountedOnce() {
    var tracker = PartitionTracker(nil)
    #expect(tracker.takeNeverSeen() == nil)
    #expect(tracker.delivered(mark(7)) == .store)
    #expect(tracker.takeNeverSeen() == 7)
    #expect(tracker.delivered(mark(9)) == .store)
    #expect(tracker.takeNeverSeen() == nil && tracker.takeGap() == nil)

    var empty = PartitionTracker(nil)
    #expect(empty.reachedEnd(7) && empty.isAtEnd)
    #expect(empty.takeNeverSeen() == 7)
    #expect(empty.reachedEnd(7) && empty.delivered(mark(8)) == .store)
    #expect(empty.takeNeverSeen() == nil)

    var whole = PartitionTracker(nil)
    #expect(whole.delivered(mark(0)) == .store && whole.reachedEnd(1))
    #expect(whole.takeNeverSeen() == nil)
    var known = PartitionTracker(position(10))
    #expect(known.delivered(mark(12)) == .store)
    #expect(known.takeNeverSeen() == nil)
  }

  @Test func aKnownPartitionStartsOneMessageEarlyAndGoesOn() {
    var tracker = PartitionTracker(position(10))
    #expect(tracker.start == 9)
    #expect(tracker.delivered(mark(9)) == .skip)
    #expect(tracker.delivered(mark(10)) == .store)
  }

  @Test func aPositionWithoutAMessageBeforeItStartsThere() {
    var tracker = PartitionTracker(Catalog.Position(next: 4, last: nil))
    #expect(tracker.start == 4)
    #expect(tracker.delivered(mark(4)) == .store)
  }

  @Test func aMarkBeforeAGapIsWhereItStarts() {
    // The position may stand further on than the message before it, where offsets have gaps.
    let tracker = PartitionTracker(Catalog.Position(next: 10, last: mark(6)))
    #expect(tracker.start == 6)
  }

  @Test func anotherMessageInItsPlaceIsAnotherTopic() {
    var key = PartitionTracker(position(10))
    #expect(key.delivered(mark(9, anew: true)) == .topicIsNew)
    var time = PartitionTracker(position(10))
    #expect(time.delivered(Catalog.Mark(offset: 9, timestamp: nil, key: mark(9).key)) == .topicIsNew)
  }

  @Test func aTopicThatEndsBeforeThePositionIsAnotherTopic() {
    for end in 0...9 {
      var tracker = PartitionTracker(position(10))
      #expect(tracker.reachedEnd(Int64(end)) == false, "\(end)")
      #expect(!tracker.isAtEnd)
    }
    var whole = PartitionTracker(position(10))
    #expect(whole.delivered(mark(9)) == .skip)
    #expect(whole.reachedEnd(10) == true)
    #expect(whole.isAtEnd)
    #expect(whole.reachedEnd(9) == false)
  }

  @Test func anEmptyPartitionIsAtItsEnd() {
    var tracker = PartitionTracker(nil)
    #expect(!tracker.isAtEnd)
    #expect(tracker.reachedEnd(0) == true)
    #expect(tracker.isAtEnd)
    #expect(tracker.committable == 0)
  }

  @Test func aMessageThatCompactionRemovedDoesNotMakeTheTopicNew() {
    var tracker = PartitionTracker(position(10))
    #expect(tracker.delivered(mark(14)) == .store)
    #expect(tracker.delivered(mark(20)) == .store)
  }

  @Test func theEndIsReachedWhereTheMessageBeforeItWasRemoved() {
    // Nothing was delivered, and the partition ends behind what is stored: ours is gone, and so is all behind it.
    var tracker = PartitionTracker(position(10))
    #expect(tracker.reachedEnd(15) == true)
    #expect(tracker.isAtEnd)
    #expect(tracker.committable == 15)
    #expect(tracker.delivered(mark(15)) == .store)
  }

  @Test func whatIsDeliveredAgainIsSkipped() {
    var tracker = PartitionTracker(position(10))
    #expect(tracker.delivered(mark(9)) == .skip)
    #expect(tracker.delivered(mark(10)) == .store)
    #expect(tracker.delivered(mark(11)) == .store)
    for offset: Int64 in [9, 10, 11, 0] { #expect(tracker.delivered(mark(offset)) == .skip) }
    #expect(tracker.delivered(mark(12)) == .store)
  }

  @Test func gapsAreNoLoss() {
    var tracker = PartitionTracker(nil)
    #expect(tracker.delivered(mark(7)) == .store)
    #expect(tracker.delivered(mark(1_000_000)) == .store)
  }

  @Test func retentionThatWasFasterIsToldWithWhatIsLost() {
    var tracker = PartitionTracker(position(10))
    tracker.outOfRange()
    #expect(tracker.takeGap() == nil)
    #expect(tracker.delivered(mark(15)) == .store)
    #expect(tracker.takeGap() == 10..<15)
    // Told once.
    #expect(tracker.takeGap() == nil)
    #expect(tracker.delivered(mark(16)) == .store)
    #expect(tracker.takeGap() == nil)
  }

  @Test func retentionWhileReadingIsToldToo() {
    var tracker = PartitionTracker(nil)
    #expect(tracker.delivered(mark(0)) == .store)
    tracker.outOfRange()
    #expect(tracker.delivered(mark(4)) == .store)
    #expect(tracker.takeGap() == 1..<4)
  }

  @Test func retentionThatTookOnlyWhatIsStoredLosesNothing() {
    var tracker = PartitionTracker(position(10))
    tracker.outOfRange()
    #expect(tracker.delivered(mark(10)) == .store)
    #expect(tracker.takeGap() == nil)
  }

  @Test func everythingThatExpiredIsLostToTheEnd() {
    var tracker = PartitionTracker(position(10))
    tracker.outOfRange()
    #expect(!tracker.isAtEnd)
    #expect(tracker.reachedEnd(20) == true)
    #expect(tracker.takeGap() == 10..<20)
    #expect(tracker.isAtEnd)
  }

  @Test func aTopicWhoseBeginningLiesBeforeTheMissingOffsetIsAnotherTopic() {
    for first: Int64 in [0, 5, 8] {
      var tracker = PartitionTracker(position(10))
      tracker.outOfRange()
      #expect(tracker.delivered(mark(first)) == .topicIsNew)
      #expect(tracker.takeGap() == nil)
    }
    var empty = PartitionTracker(position(10))
    empty.outOfRange()
    #expect(empty.reachedEnd(0) == false)
  }

  @Test func theEndCountsOnceAllThatWasHandedOutIsStored() {
    var tracker = PartitionTracker(nil)
    _ = tracker.delivered(mark(0))
    _ = tracker.delivered(mark(1))
    #expect(tracker.reachedEnd(2) == true)
    #expect(!tracker.isAtEnd)
    #expect(tracker.committable == nil)
    tracker.committed(position(1))
    #expect(!tracker.isAtEnd)
    #expect(tracker.committable == 1)
    tracker.committed(position(2))
    #expect(tracker.isAtEnd)
    #expect(tracker.committable == 2)
    #expect(tracker.stored == position(2))
  }

  @Test func aMessageBehindTheEndTakesTheEndBack() {
    var tracker = PartitionTracker(nil)
    #expect(tracker.reachedEnd(0) == true)
    #expect(tracker.delivered(mark(0)) == .store)
    #expect(!tracker.isAtEnd)
    #expect(tracker.end == nil)
    tracker.committed(position(1))
    #expect(tracker.committable == 1)
    #expect(!tracker.isAtEnd)
  }

  @Test func controlRecordsBehindTheLastMessageMayBeCommitted() {
    var tracker = PartitionTracker(nil)
    _ = tracker.delivered(mark(0))
    tracker.committed(position(1))
    #expect(tracker.reachedEnd(2) == true)
    #expect(tracker.committable == 2)
    #expect(tracker.isAtEnd)
  }

  @Test func nothingIsCommittedOfWhatIsUnknown() { #expect(PartitionTracker(nil).committable == nil) }
}
