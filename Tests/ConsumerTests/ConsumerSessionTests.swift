import Testing

@testable import Consumer
@testable import Kafka
@testable import Output

/// What a session asks for and allows, event by event.
@Suite("A consumer's session") struct ConsumerSessionTests {
  typealias Session = ConsumerSession<WorldMessage>

  let now = ContinuousClock.now
  let topic = Catalog.Topic(id: 1, generation: 1)

  func message(_ offset: Int64, of partition: Int32 = 0, incarnation: Int = 1) -> WorldMessage {
    WorldMessage(partition: partition, offset: offset, incarnation: incarnation)
  }

  func position(_ next: Int64, of partition: Int32 = 0) -> Catalog.Position {
    Catalog.Position(next: next, last: message(next - 1, of: partition).mark)
  }

  func joined() -> Session {
    var session = Session(topic: topic, doubtsTopic: true)
    session.joined(at: now)
    return session
  }

  /// A session that reads these partitions.
  func reading(_ positions: [Int32: Catalog.Position] = [:], _ partitions: [Int32] = [0]) -> Session {
    var session = joined()
    session.assigned(partitions, at: now)
    #expect(session.nextAction(at: now) == .readPositions(partitions, isNewAssignment: true))
    #expect(session.positionsRead(topic, positions, at: now) == false)
    #expect(session.takeStarts().keys.sorted() == partitions)
    #expect(session.nextAction(at: now) == nil)
    return session
  }

  /// Delivers new messages and hands them out as one batch.
  func handOut(_ session: inout Session, _ offsets: ClosedRange<Int64>, of partition: Int32 = 0) -> BatchTicket {
    for offset in offsets { #expect(session.received(message(offset, of: partition), at: now) == .noted(nil)) }
    let batch = session.handOut(offsets.count)
    #expect(batch.messages.map(\.offset) == Array(offsets))
    return batch.ticket
  }

  func place(_ session: inout Session, _ starts: [Int32: KafkaConsumer.StartOffset]) {
    var left = starts
    while case .seek(let partition, let start) = session.nextAction(at: now) {
      #expect(left.removeValue(forKey: partition) == start)
      session.placed(partition)
    }
    #expect(left.isEmpty)
  }

  // MARK: Membership

  @Test("how long the group has assigned nothing is known, and an empty assignment ends it") func waiting() {
    var session = Session(topic: topic, doubtsTopic: true)
    #expect(session.waited(at: now) == nil && session.nextAction(at: now) == nil)
    session.joined(at: now)
    #expect(session.waited(at: now + .seconds(3)) == .seconds(3))
    // While there was no topic, nothing could be assigned.
    session.topicFound(at: now + .seconds(3))
    #expect(session.waited(at: now + .seconds(4)) == .seconds(1))
    session.assigned([], at: now)
    #expect(session.waited(at: now) == nil)
    session.revoked(at: now + .seconds(5))
    #expect(session.waited(at: now + .seconds(6)) == .seconds(1))
  }

  @Test("every assignment starts at the catalog's positions, one message early") func assignment() {
    var session = joined()
    session.assigned([0, 1], at: now)
    #expect(session.takeStarts() == [:])
    #expect(session.nextAction(at: now) == .readPositions([0, 1], isNewAssignment: true))
    #expect(session.positionsRead(topic, [1: position(10, of: 1)], at: now) == false)
    #expect(session.takeStarts() == [0: .beginning, 1: .at(9)])
    #expect(session.nextAction(at: now) == nil)
    #expect(session.received(message(9, of: 1), at: now) == .noted(nil))
    #expect(session.received(message(10, of: 1), at: now) == .noted(nil))
    #expect(session.waiting.messages == [message(10, of: 1)])
  }

  @Test("if positions become known after the assignment, the partitions are sought") func lateStart() {
    var session = joined()
    session.assigned([0], at: now)
    #expect(session.takeStarts() == [:])
    _ = session.positionsRead(topic, [0: position(10)], at: now)
    #expect(session.received(message(3), at: now) == .ignored)
    place(&session, [0: .at(9)])
    #expect(session.received(message(9), at: now) == .noted(nil))
  }

  @Test("what was taken is dropped with its assignment") func revocation() {
    var session = reading()
    let ticket = handOut(&session, 0...1)
    _ = session.received(message(2), at: now)
    session.revoked(at: now)
    #expect(!session.isCurrent(ticket) && session.begin(ticket, at: now) == .void)
    #expect(session.waiting.isEmpty && session.partitions.isEmpty && session.committable.isEmpty)
    #expect(session.received(message(3), at: now) == .ignored)
    session.assigned([0], at: now)
    _ = session.positionsRead(topic, [:], at: now)
    #expect(session.takeStarts() == [0: .beginning])
    #expect(session.received(message(0), at: now) == .noted(nil))
    #expect(session.waiting.messages == [message(0)])
  }

  @Test("a partition that is not assigned tells nothing") func unknownPartition() {
    var session = reading()
    #expect(session.received(message(0, of: 7), at: now) == .ignored)
    #expect(session.reachedEnd(of: 7, 0, at: now) == .ignored)
    session.outOfRange(7, at: now)
    #expect(session.nextAction(at: now) == nil)
  }

  // MARK: Catalog

  @Test("positions that cannot be read are read later, and nothing is taken until then") func unreadableCatalog() {
    var session = joined()
    session.assigned([0], at: now)
    var due = now
    for seconds in [0.5, 1, 2, 4, 8, 16, 30, 30] {
      #expect(session.nextAction(at: due) == .readPositions([0], isNewAssignment: true))
      #expect(session.catalogFailed(at: due) == .seconds(seconds))
      #expect(session.nextAction(at: due) == nil)
      #expect(session.received(message(0), at: due) == .ignored)
      #expect(session.reachedEnd(of: 0, 0, at: due) == .ignored)
      session.outOfRange(0, at: due)
      #expect(!session.isCaughtUp)
      due += .seconds(seconds)
    }
    #expect(session.positionsRead(topic, [0: position(4)], at: due) == true, "it had failed before")
    #expect(session.nextAction(at: due) == .seek(0, .at(3)))
    // The next failure is a new one.
    session.placed(0)
    session.assigned([0], at: due)
    #expect(session.catalogFailed(at: due) == .milliseconds(500))
  }

  @Test("seeks that take long to fail are not due again before the next poll") func slowSeeksAreNotDue() {
    var session = joined()
    session.assigned([0, 1], at: now)
    _ = session.positionsRead(topic, [0: position(10), 1: position(10)], at: now)
    for partition in Int32(0)...1 {
      #expect(session.nextAction(at: now) == .seek(partition, .at(9)))
      session.seekFailed(partition, at: now + .seconds(5 * Int(partition + 1)))
    }
    #expect(session.nextAction(at: now) == nil)
  }

  @Test("a seek that fails is tried again, and what comes meanwhile is ignored") func failedSeek() {
    var session = joined()
    session.assigned([0], at: now)
    _ = session.positionsRead(topic, [0: position(10)], at: now)
    #expect(session.nextAction(at: now) == .seek(0, .at(9)))
    session.seekFailed(0, at: now)
    #expect(session.nextAction(at: now + .milliseconds(900)) == nil)
    #expect(session.received(message(20), at: now) == .ignored)
    #expect(session.reachedEnd(of: 0, 2, at: now) == .ignored)
    // It is out of range where it is, not where it will be.
    session.outOfRange(0, at: now)
    #expect(session.nextAction(at: now + .seconds(1)) == .seek(0, .at(9)))
    session.placed(0)
    #expect(session.received(message(9), at: now) == .noted(nil) && session.state == .reading)
  }

  @Test("positions that come after another change are not taken") func latePositions() {
    var session = joined()
    session.assigned([0], at: now)
    session.revoked(at: now)
    #expect(session.positionsRead(topic, [0: position(3)], at: now) == false)
    #expect(session.partitions.isEmpty && session.waited(at: now) == .zero)
  }

  // MARK: Topic

  @Test("a re-created topic gets a new generation and is read from its beginning") func recreatedTopic() {
    var session = reading([0: position(10)])
    _ = session.received(message(9), at: now)
    let ticket = handOut(&session, 10...11)
    _ = session.received(message(12), at: now)
    #expect(session.reachedEnd(of: 0, 5, at: now) == .noted(nil))
    #expect(!session.isCurrent(ticket) && session.waiting.isEmpty && !session.isCaughtUp)
    #expect(session.received(message(13), at: now) == .ignored)
    #expect(session.nextAction(at: now) == .advanceGeneration(topic))
    // The disk is full.
    #expect(session.catalogFailed(at: now) == .milliseconds(500))
    #expect(session.nextAction(at: now) == nil)
    #expect(session.nextAction(at: now + .milliseconds(500)) == .advanceGeneration(topic))
    session.generationAdvanced(at: now)
    #expect(session.nextAction(at: now) == .readPositions([0], isNewAssignment: false))
    let next = Catalog.Topic(id: 1, generation: 2)
    _ = session.positionsRead(next, [:], at: now)
    #expect(session.topic == next)
    place(&session, [0: .beginning])
  }

  @Test("another message before the position is another topic") func otherMessage() {
    var session = reading([0: position(10)])
    _ = session.received(message(9, incarnation: 2), at: now)
    #expect(session.nextAction(at: now) == .advanceGeneration(topic))
  }

  @Test("messages seen before a new assignment say nothing of what is read now") func recreatedBefore() {
    var session = reading([0: position(10)])
    _ = session.reachedEnd(of: 0, 5, at: now)
    session.revoked(at: now)
    session.assigned([0], at: now)
    #expect(session.nextAction(at: now) == .readPositions([0], isNewAssignment: true))
    session.generationAdvanced(at: now)
    #expect(session.nextAction(at: now) == .readPositions([0], isNewAssignment: true))
  }

  @Test("an offset that is out of range is looked for from the beginning, and the loss is told once") func outOfRange()
  {
    var session = reading([0: position(10)])
    session.outOfRange(0, at: now)
    place(&session, [0: .beginning])
    #expect(session.received(message(15), at: now) == .noted(.gap(10..<15)))
    #expect(session.received(message(16), at: now) == .noted(nil))
  }

  @Test("partitions that could not be fetched are sought again where they were") func refetch() {
    var session = reading([0: position(10), 1: position(5, of: 1)], [0, 1])
    _ = session.received(message(9), at: now)
    _ = session.received(message(10), at: now)
    session.refetch([0, 1, 7], at: now)
    place(&session, [0: .at(11), 1: .at(4)])
    #expect(session.waiting.messages == [message(10)], "what has come is kept")
  }

  // MARK: Doubts

  @Test("after a pause the message before it is looked at before anything is stored") func doubt() {
    var session = reading([0: position(10)])
    _ = session.received(message(9), at: now)
    _ = session.received(message(10), at: now + .seconds(1))
    let ticket = session.handOut(5).ticket
    #expect(session.begin(ticket, at: now) == .begun)
    #expect(session.permission() == .confirm([0: message(9).mark]))
    #expect(session.permission() == .confirm([0: message(9).mark]))
    session.confirmed(0)
    #expect(session.permission() == .store(topic, expecting: [0: position(10)]))
  }

  @Test("if nothing is stored yet, the last message before the pause is looked at") func doubtOfNew() {
    var session = reading()
    _ = session.received(message(0), at: now)
    _ = session.received(message(1, incarnation: 2), at: now + .seconds(1))
    let ticket = session.handOut(5).ticket
    #expect(session.begin(ticket, at: now) == .begun)
    #expect(session.permission() == .confirm([0: message(0).mark]))
    session.topicRecreated(at: now)
    #expect(session.permission() == .void && session.isWorkVoid)
    #expect(session.nextAction(at: now) == .pause)
    session.gaveUp(at: now)
    #expect(session.nextAction(at: now) == .advanceGeneration(topic))
  }

  @Test("a topic that lasts as long as the run is not doubted") func noDoubt() {
    var session = Session(topic: topic, doubtsTopic: false)
    session.assigned([0], at: now)
    _ = session.positionsRead(topic, [:], at: now)
    _ = session.takeStarts()
    _ = session.received(message(0), at: now)
    _ = session.received(message(1), at: now + .seconds(1))
    let ticket = session.handOut(5).ticket
    #expect(session.begin(ticket, at: now) == .begun)
    #expect(session.permission() == .store(topic, expecting: [0: nil]))
    #expect(session.messageToLookAt(at: now) == nil && session.messageToLookAt(at: now + .seconds(9)) == nil)
  }

  @Test("while nothing comes, the last stored messages are looked at in turn") func looks() {
    var session = reading([0: position(10), 2: position(5, of: 2)], [0, 1, 2])
    #expect(session.messageToLookAt(at: now) == nil)
    #expect(session.messageToLookAt(at: now + .seconds(1)) == nil)
    #expect(session.messageToLookAt(at: now + .seconds(2))?.partition == 2)
    #expect(session.messageToLookAt(at: now + .seconds(2)) == nil)
    #expect(session.messageToLookAt(at: now + .seconds(3)) == nil)
    #expect(session.messageToLookAt(at: now + .seconds(4))?.mark == message(9).mark)
  }

  // MARK: What is stored

  @Test("everything is stored once the ends are reached and all batches are stored") func caughtUp() {
    var session = joined()
    #expect(!session.isCaughtUp)
    session.assigned([0, 1], at: now)
    _ = session.positionsRead(topic, [:], at: now)
    _ = session.takeStarts()
    _ = session.reachedEnd(of: 0, 0, at: now)
    #expect(!session.isCaughtUp)
    _ = session.reachedEnd(of: 1, 0, at: now)
    #expect(session.isCaughtUp)
    let ticket = handOut(&session, 0...1)
    _ = session.reachedEnd(of: 0, 2, at: now)
    #expect(!session.isCaughtUp)
    #expect(session.begin(ticket, at: now) == .begun)
    session.stored([0: position(2)], leaving: .nothing, at: now)
    #expect(session.isCaughtUp)
    session.revoked(at: now)
    #expect(session.isCaughtUp, "between two assignments")
  }

  @Test("offsets are committed once, and those that were refused are repeated later") func commits() {
    var session = reading([0: position(3)])
    #expect(session.offsetsToCommit(at: now) == [0: 3])
    #expect(session.offsetsToCommit(at: now) == nil)
    session.commitRefused(at: now)
    #expect(session.offsetsToCommit(at: now + .seconds(4)) == nil)
    #expect(session.offsetsToCommit(at: now + .seconds(5)) == [0: 3])
    _ = session.reachedEnd(of: 0, 4, at: now)
    #expect(session.offsetsToCommit(at: now + .seconds(5)) == [0: 4], "behind control records")
    // Another consumer may have committed since.
    session.revoked(at: now)
    session.assigned([0], at: now)
    _ = session.positionsRead(topic, [0: position(4)], at: now)
    #expect(session.offsetsToCommit(at: now + .seconds(5)) == [0: 4])
  }
}
