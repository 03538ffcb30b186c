import TestSupport
import Testing

@testable import Consumer
@testable import Output

/// The original topic's message at an offset; `anew`: the re-created topic's.
private func mark(_ offset: Int64, anew: Bool = false) -> Catalog.Mark {
  Catalog.Mark(offset: offset, timestamp: 1_000 + offset, key: digest(of: "\(anew) \(offset)"))
}

private func position(_ next: Int64) -> Catalog.Position { Catalog.Position(next: next, last: mark(next - 1)) }

@Suite struct PartitionTrackerTests {
  @Test("an unknown partition starts at the beginning") func unknownPartitionStartsAtZero() {
    var tracker = PartitionTracker(nil)
    #expect(tracker.start == nil)
    #expect(tracker.stored == nil)
    #expect(tracker.delivered(mark(0)) == .store)
    #expect(tracker.delivered(mark(1)) == .store)
  }

  @Test("the loss of an unknown partition is counted once") func unknownPartitionsLossIsCounted() {
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

  @Test("a known partition starts one message early and skips it") func knownPartitionStartsOneEarly() {
    var tracker = PartitionTracker(position(10))
    #expect(tracker.start == 9)
    #expect(tracker.delivered(mark(9)) == .skip)
    #expect(tracker.delivered(mark(10)) == .store)
  }

  @Test("a position without a message before it starts there") func markLessPositionStartsThere() {
    var tracker = PartitionTracker(Catalog.Position(next: 4, last: nil))
    #expect(tracker.start == 4)
    #expect(tracker.delivered(mark(4)) == .store)
  }

  @Test("a mark before a gap is the start") func markBeforeGapIsTheStart() {
    // With gaps, the position may be further than the next offset of the message before.
    let tracker = PartitionTracker(Catalog.Position(next: 10, last: mark(6)))
    #expect(tracker.start == 6)
  }

  @Test("another message at the mark's offset means another topic") func otherMessageMeansNewTopic() {
    var key = PartitionTracker(position(10))
    #expect(key.delivered(mark(9, anew: true)) == .topicIsNew)
    var time = PartitionTracker(position(10))
    #expect(time.delivered(Catalog.Mark(offset: 9, timestamp: nil, key: mark(9).key)) == .topicIsNew)
  }

  @Test("a topic that ends before the position is another topic") func shorterTopicIsNew() {
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

  @Test("an empty partition is at its end") func emptyPartitionIsAtItsEnd() {
    var tracker = PartitionTracker(nil)
    #expect(!tracker.isAtEnd)
    #expect(tracker.reachedEnd(0) == true)
    #expect(tracker.isAtEnd)
    #expect(tracker.committable == 0)
  }

  @Test("a message removed by compaction does not make the topic new") func compactionMakesNoNewTopic() {
    var tracker = PartitionTracker(position(10))
    #expect(tracker.delivered(mark(14)) == .store)
    #expect(tracker.delivered(mark(20)) == .store)
  }

  @Test("the end is reached even if the message before it was removed") func endIsReachedAfterGap() {
    // Nothing was delivered, and the partition ends after the stored position: our message and all later ones are gone.
    var tracker = PartitionTracker(position(10))
    #expect(tracker.reachedEnd(15) == true)
    #expect(tracker.isAtEnd)
    #expect(tracker.committable == 15)
    #expect(tracker.delivered(mark(15)) == .store)
  }

  @Test("a repeated delivery is skipped") func repeatedDeliveryIsSkipped() {
    var tracker = PartitionTracker(position(10))
    #expect(tracker.delivered(mark(9)) == .skip)
    #expect(tracker.delivered(mark(10)) == .store)
    #expect(tracker.delivered(mark(11)) == .store)
    for offset: Int64 in [9, 10, 11, 0] { #expect(tracker.delivered(mark(offset)) == .skip) }
    #expect(tracker.delivered(mark(12)) == .store)
  }

  @Test("gaps are no loss") func gapsAreNoLoss() {
    var tracker = PartitionTracker(nil)
    #expect(tracker.delivered(mark(7)) == .store)
    #expect(tracker.delivered(mark(1_000_000)) == .store)
  }

  @Test("messages lost to retention are counted") func retentionLossIsCounted() {
    var tracker = PartitionTracker(position(10))
    tracker.outOfRange()
    #expect(tracker.takeGap() == nil)
    #expect(tracker.delivered(mark(15)) == .store)
    #expect(tracker.takeGap() == 10..<15)
    // Reported once.
    #expect(tracker.takeGap() == nil)
    #expect(tracker.delivered(mark(16)) == .store)
    #expect(tracker.takeGap() == nil)
  }

  @Test("messages lost to retention while reading are counted, too") func lossWhileReadingIsCounted() {
    var tracker = PartitionTracker(nil)
    #expect(tracker.delivered(mark(0)) == .store)
    tracker.outOfRange()
    #expect(tracker.delivered(mark(4)) == .store)
    #expect(tracker.takeGap() == 1..<4)
  }

  @Test("retention that removed only stored messages is no loss") func retentionOfStoredIsNoLoss() {
    var tracker = PartitionTracker(position(10))
    tracker.outOfRange()
    #expect(tracker.delivered(mark(10)) == .store)
    #expect(tracker.takeGap() == nil)
  }

  @Test("expiry of everything is a loss up to the end") func fullExpiryIsLostToTheEnd() {
    var tracker = PartitionTracker(position(10))
    tracker.outOfRange()
    #expect(!tracker.isAtEnd)
    #expect(tracker.reachedEnd(20) == true)
    #expect(tracker.takeGap() == 10..<20)
    #expect(tracker.isAtEnd)
  }

  @Test("a topic that begins before the missing offset is another topic") func earlierBeginningMeansNewTopic() {
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

  @Test("the end counts once everything handed out is stored") func endCountsOnceAllIsStored() {
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

  @Test("a message after the end revokes the end") func laterMessageRevokesTheEnd() {
    var tracker = PartitionTracker(nil)
    #expect(tracker.reachedEnd(0) == true)
    #expect(tracker.delivered(mark(0)) == .store)
    #expect(!tracker.isAtEnd)
    #expect(tracker.end == nil)
    tracker.committed(position(1))
    #expect(tracker.committable == 1)
    #expect(!tracker.isAtEnd)
  }

  @Test("control records after the last message may be committed") func controlRecordsAreCommittable() {
    var tracker = PartitionTracker(nil)
    _ = tracker.delivered(mark(0))
    tracker.committed(position(1))
    #expect(tracker.reachedEnd(2) == true)
    #expect(tracker.committable == 2)
    #expect(tracker.isAtEnd)
  }

  @Test("an unknown partition commits nothing") func unknownPartitionCommitsNothing() {
    #expect(PartitionTracker(nil).committable == nil)
  }
}
