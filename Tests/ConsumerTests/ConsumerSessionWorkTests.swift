import Testing

@testable import Consumer
@testable import Kafka
@testable import Output

/// Batches, and what is allowed while one is stored.
extension ConsumerSessionTests {
  // MARK: Order

  @Test("a batch is stored once those that were handed out before it are") func order() {
    var session = reading()
    let (first, second) = (handOut(&session, 0...1), handOut(&session, 2...3))
    #expect(session.begin(first, at: now) == .begun)
    #expect(session.permission() == .store(topic, expecting: [0: nil]))
    session.stored([0: position(2)], leaving: .nothing, at: now)
    #expect(session.begin(second, at: now) == .begun)
    #expect(session.permission() == .store(topic, expecting: [0: position(2)]))
    session.stored([0: position(4)], leaving: .nothing, at: now)
    #expect(session.partitions[0]?.stored == position(4))
  }

  @Test("a batch whose predecessor is not stored makes everything be read again") func outOfOrder() {
    var session = reading()
    let (first, second) = (handOut(&session, 0...1), handOut(&session, 2...3))
    #expect(session.begin(second, at: now) == .outOfOrder)
    #expect(!session.isCurrent(first) && !session.isCurrent(second))
    #expect(session.nextAction(at: now) == .readPositions([0], isNewAssignment: false))
    _ = session.positionsRead(topic, [:], at: now)
    place(&session, [0: .beginning])
    // Read again, they follow nothing.
    let again = handOut(&session, 0...1)
    #expect(session.begin(again, at: now) == .begun)
  }

  @Test("batches that are stored as one follow only what was handed out before the first of them") func joinedBatches()
  {
    var session = reading([:], [0, 1])
    let one = handOut(&session, 0...1)
    let other = handOut(&session, 0...0, of: 1)
    let third = handOut(&session, 2...2)
    #expect(one.joined(with: third) == nil)
    guard let joined = one.joined(with: other) else {
      Issue.record("they follow each other")
      return
    }
    var hasty = session
    #expect(hasty.begin(third, at: now) == .outOfOrder)
    #expect(session.begin(joined, at: now) == .begun)
    #expect(session.permission() == .store(topic, expecting: [0: nil, 1: nil]))
    session.stored([0: position(2), 1: position(1, of: 1)], leaving: .nothing, at: now)
    #expect(session.begin(third, at: now) == .begun)
    #expect(session.permission() == .store(topic, expecting: [0: position(2)]))
    session.gaveUp(at: now)
    session.revoked(at: now)
    session.assigned([0], at: now)
    _ = session.positionsRead(topic, [:], at: now)
    _ = session.takeStarts()
    #expect(third.joined(with: handOut(&session, 0...0)) == nil, "of another assignment")
  }

  @Test("what a transaction has left is stored by the next one, at the positions of the first") func rest() {
    var session = reading()
    let (first, second) = (handOut(&session, 0...3), handOut(&session, 4...4))
    #expect(session.begin(first, at: now) == .begun)
    session.stored([0: position(2)], leaving: .rest, at: now)
    #expect(session.partitions[0]?.stored == position(2) && session.committable == [0: 2])
    var hasty = session
    #expect(hasty.begin(second, at: now) == .outOfOrder, "a part of the first one is not stored yet")
    #expect(session.permission() == .store(topic, expecting: [0: position(2)]))
    session.stored([0: position(4)], leaving: .nothing, at: now)
    #expect(session.begin(second, at: now) == .begun)
  }

  @Test("what needs messages that were given back is read again, and the next batches keep theirs") func unreadable() {
    var session = reading()
    let ticket = handOut(&session, 0...3)
    #expect(!session.isCareful && session.begin(ticket, at: now) == .begun)
    session.stored([0: position(2)], leaving: .unreadable, at: now)
    #expect(session.isCareful && !session.isCurrent(ticket))
    #expect(session.nextAction(at: now) == .readPositions([0], isNewAssignment: false))
    _ = session.positionsRead(topic, [0: position(2)], at: now)
    place(&session, [0: .at(1)])
    _ = session.received(message(1), at: now)
    for number in 0..<Int64(Session.carefulAfterwards) {
      _ = session.received(message(2 + number), at: now)
      let batch = session.handOut(1)
      #expect(batch.keepsContent)
      #expect(session.begin(batch.ticket, at: now) == .begun)
      session.stored([0: position(3 + number)], leaving: .nothing, at: now)
    }
    #expect(!session.isCareful)
  }

  @Test("a batch that is given up is read again, with all that was handed out after it") func givenUp() {
    var session = reading([0: position(10)])
    _ = session.received(message(9), at: now)
    let (first, second) = (handOut(&session, 10...11), handOut(&session, 12...12))
    #expect(session.begin(first, at: now) == .begun)
    session.gaveUp(at: now)
    #expect(session.begin(second, at: now) == .void)
    #expect(session.nextAction(at: now) == .readPositions([0], isNewAssignment: false))
    // Another consumer has stored some of it.
    _ = session.positionsRead(topic, [0: position(12)], at: now)
    place(&session, [0: .at(11)])
    // Nothing is undone by what ends twice.
    session.gaveUp(at: now)
    #expect(session.nextAction(at: now) == nil)
  }

  @Test("what may pass is waited for, twice as long each time, until something is stored") func failures() {
    var session = reading()
    let ticket = handOut(&session, 0...3)
    #expect(session.begin(ticket, at: now) == .begun)
    #expect(session.failed() == .milliseconds(500) && session.failed() == .seconds(1))
    #expect(session.permission() == .store(topic, expecting: [0: nil]) && !session.isWorkVoid)
    session.stored([0: position(1)], leaving: .rest, at: now)
    #expect(session.failed() == .milliseconds(500))
    session.giveBack(at: now)
    #expect(session.isCareful && session.nextAction(at: now) == .readPositions([0], isNewAssignment: false))
  }

  // MARK: While a batch is stored

  @Test("while a batch is stored, fetching pauses and nothing else is done") func onlyPause() {
    var session = reading([0: position(10)], [0, 1])
    let ticket = handOut(&session, 10...10)
    #expect(session.begin(ticket, at: now) == .begun)
    #expect(session.nextAction(at: now) == .pause)
    session.paused()
    session.outOfRange(1, at: now)
    #expect(session.nextAction(at: now) == nil && !session.isWorkVoid)
    session.stored([0: position(11)], leaving: .nothing, at: now)
    place(&session, [1: .beginning])
    #expect(session.nextAction(at: now) == .resume)
    session.resumed()
    #expect(session.nextAction(at: now) == nil)
  }

  @Test("partitions that are assigned while a batch is stored wait for its end, and it is void") func assignedInWork() {
    var session = reading([0: position(10)])
    let ticket = handOut(&session, 10...10)
    #expect(session.begin(ticket, at: now) == .begun)
    session.paused()
    session.revoked(at: now)
    #expect(session.isWorkVoid && session.permission() == .void)
    session.assigned([0, 1], at: now)
    #expect(session.isWorkVoid && session.nextAction(at: now) == nil)
    #expect(session.takeStarts() == [:])
    session.gaveUp(at: now)
    #expect(session.nextAction(at: now) == .readPositions([0, 1], isNewAssignment: true))
    _ = session.positionsRead(topic, [:], at: now)
    place(&session, [0: .beginning, 1: .beginning])
    #expect(session.nextAction(at: now) == .resume)
  }

  @Test("if it was stored all the same, its positions are those that are read next") func storedThoughVoid() {
    var session = reading()
    let ticket = handOut(&session, 0...4)
    #expect(session.begin(ticket, at: now) == .begun)
    session.revoked(at: now)
    session.assigned([0], at: now)
    session.stored([0: position(5)], leaving: .nothing, at: now)
    #expect(session.partitions[0]?.stored == nil)
    #expect(session.nextAction(at: now) == .readPositions([0], isNewAssignment: true))
  }

  @Test("a topic that is re-created while a batch is stored waits for its end") func recreatedInWork() {
    var session = reading([0: position(10)])
    let ticket = handOut(&session, 10...10)
    #expect(session.begin(ticket, at: now) == .begun)
    session.paused()
    _ = session.reachedEnd(of: 0, 3, at: now)
    #expect(session.isWorkVoid && session.nextAction(at: now) == nil)
    session.gaveUp(at: now)
    #expect(session.nextAction(at: now) == .advanceGeneration(topic))
  }

  @Test("if the catalog cannot be read after it, fetching goes on all the same") func resumedThoughUnread() {
    var session = reading()
    let ticket = handOut(&session, 0...0)
    #expect(session.begin(ticket, at: now) == .begun)
    session.paused()
    session.gaveUp(at: now)
    #expect(session.nextAction(at: now) == .readPositions([0], isNewAssignment: false))
    _ = session.catalogFailed(at: now)
    #expect(session.nextAction(at: now) == .resume)
  }

  @Test("lost offsets are reported in upkeep, unless it has become void") func reportedLosses() {
    var session = reading([0: position(10)])
    session.outOfRange(0, at: now)
    place(&session, [0: .beginning])
    _ = session.reachedEnd(of: 0, 15, at: now)
    #expect(session.lost == [0: [10..<15]] && session.isCaughtUp)
    session.beginUpkeep()
    session.reported([0: [10..<15]])
    session.endUpkeep()
    #expect(session.lost == [:])
    // A new assignment finds them again.
    session.revoked(at: now)
    session.assigned([0], at: now)
    _ = session.positionsRead(topic, [0: position(10)], at: now)
    place(&session, [0: .at(9)])
    session.outOfRange(0, at: now)
    place(&session, [0: .beginning])
    session.beginUpkeep()
    session.revoked(at: now)
    session.assigned([0], at: now)
    session.reported([0: [10..<15]])
    session.endUpkeep()
    _ = session.positionsRead(topic, [0: position(10)], at: now)
    place(&session, [0: .at(9)])
    session.outOfRange(0, at: now)
    place(&session, [0: .beginning])
    _ = session.reachedEnd(of: 0, 15, at: now)
    #expect(session.lost == [0: [10..<15]])
  }

  @Test("upkeep is void once the assignment or the topic changes") func upkeep() {
    var session = reading([0: position(10)])
    session.beginUpkeep()
    #expect(session.nextAction(at: now) == .pause && !session.isWorkVoid)
    session.paused()
    _ = session.reachedEnd(of: 0, 3, at: now)
    #expect(session.isWorkVoid && session.nextAction(at: now) == nil)
    session.endUpkeep()
    #expect(!session.isWorkVoid && session.nextAction(at: now) == .advanceGeneration(topic))
  }

  // MARK: Messages that wait

  @Test("messages wait for company for 100 ms") func overdue() {
    var waiting = WaitingMessages<WorldMessage>()
    #expect(!waiting.isOverdue(at: now))
    waiting.append(message(0), at: now)
    waiting.append(message(1), at: now + .milliseconds(90))
    #expect(!waiting.isOverdue(at: now + .milliseconds(99)) && waiting.isOverdue(at: now + .milliseconds(100)))
    #expect(waiting.isFull(count: 2, bytes: 10) && waiting.isFull(count: 9, bytes: 2))
    #expect(!waiting.isFull(count: 3, bytes: 3))
    #expect(waiting.take(1) == [message(0)] && waiting.bytes == 1)
    #expect(waiting.take(5) == [message(1)] && waiting.isEmpty && waiting.bytes == 0)
    #expect(!waiting.isOverdue(at: now + .seconds(1)))
  }
}
