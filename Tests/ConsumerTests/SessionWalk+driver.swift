import TestSupport
import Testing

@testable import Consumer
@testable import Kafka
@testable import Output
@testable import Wire

/// What `SessionDriver` and `BatchPipeline` do, on the models.
extension SessionWalk {
  mutating func poll(_ maximum: Int) {
    for event in client.poll(maximum, topic, &numbers) {
      switch event {
      case .message(let message): _ = session.received(message, at: now)
      case .end(let partition, let offset): _ = session.reachedEnd(of: partition, offset, at: now)
      case .outOfRange(let partition): session.outOfRange(partition, at: now)
      }
    }
  }

  mutating func act() {
    while let action = session.nextAction(at: now) {
      switch action {
      case .advanceGeneration(let topic):
        if happens(20) {
          _ = session.catalogFailed(at: now)
        } else {
          catalog.advance(from: topic)
          session.generationAdvanced(at: now)
        }
      case .readPositions(let wanted, _): readPositions(wanted)
      case .seek(let partition, let start):
        if happens(20) {
          session.seekFailed(partition, at: now)
        } else {
          client.seek(partition, start, topic)
          session.placed(partition)
        }
      case .pause:
        client.isPaused = true
        session.paused()
      case .resume:
        client.isPaused = false
        session.resumed()
      }
    }
  }

  mutating func readPositions(_ wanted: [Int32]) {
    #expect(wanted == session.partitions.keys.sorted())
    if happens(20) {
      _ = session.catalogFailed(at: now)
    } else {
      _ = session.positionsRead(catalog.topic, catalog.positions, at: now)
    }
  }

  mutating func pump() {
    poll(Int.random(in: 1...8, using: &numbers))
    act()
    if happens(5) { session.refetch(session.partitions.keys.sorted(), at: now) }
  }

  /// Polls in the middle of work. Returns whether that goes on.
  mutating func keepAlive() -> Bool {
    let state = (catalog.topic, catalog.positions)
    while let action = session.nextAction(at: now) {
      #expect(action == .pause, "nothing else may be done in the middle of a transaction")
      guard action == .pause else { return false }
      client.isPaused = true
      session.paused()
    }
    #expect(state == (catalog.topic, catalog.positions))
    if happens(30) { disturb() }
    poll(1)
    wait(20)
    return !session.isWorkVoid && !happens(3)
  }

  mutating func handOut() {
    guard !session.waiting.isEmpty else { return }
    let batch = session.handOut(Int.random(in: 1...5, using: &numbers))
    ahead.append((batch.ticket, batch.messages, !batch.keepsContent))
  }

  mutating func storeFirst() {
    ahead.removeAll { !session.isCurrent($0.ticket) }
    guard !ahead.isEmpty else { return }
    // A driver that has lost one must not get further.
    if ahead.count > 1, happens(4) { ahead.removeFirst() }
    var (ticket, messages, isReleased) = ahead.removeFirst()
    while let next = ahead.first, happens(50), let joined = ticket.joined(with: next.ticket) {
      ticket = joined
      messages += next.messages
      isReleased = isReleased || next.isReleased
      ahead.removeFirst()
    }
    switch session.begin(ticket, at: now) {
    case .void, .outOfOrder: ahead = []
    case .begun:
      if !store(messages, isReleased) { ahead = [] }
      session.gaveUp(at: now)
    }
    act()
  }

  /// Returns whether all of it is stored.
  mutating func store(_ whole: [WorldMessage], _ isReleased: Bool) -> Bool {
    var messages = whole
    while true {
      switch session.permission() {
      case .void: return false
      case .confirm(let marks):
        guard !happens(10) else {
          guard retries() else { return false }
          continue
        }
        for (partition, mark) in marks.sorted(by: { $0.key < $1.key }) { confirm(partition, mark) }
      case .store(let topic, let expected):
        let outcome = transaction(messages, topic, expected, isReleased)
        switch outcome {
        case .ended: return false
        case .retry:
          guard retries() else { return false }
          if isReleased {
            session.giveBack(at: now)
            return false
          }
        case .stored(0): return true
        case .stored(let left): messages = Array(messages.suffix(left))
        }
      }
    }
  }

  enum Outcome {
    case stored(Int)
    case retry
    case ended
  }

  mutating func transaction(
    _ messages: [WorldMessage], _ topic: Catalog.Topic, _ expected: [Int32: Catalog.Position?], _ isReleased: Bool
  ) -> Outcome {
    // The lock may be another's.
    while happens(20) {
      guard keepAlive() else { return .ended }
    }
    guard topic == catalog.topic, expected.allSatisfy({ catalog.positions[$0.key] == $0.value }) else {
      session.gaveUp(at: now)
      return .ended
    }
    let rolledBack = catalog
    while happens(20) {
      // Nobody else stores while the lock is ours.
      guard keepAlive() else { return .ended }
      catalog = rolledBack
    }
    if happens(5) { return .retry }
    let left = happens(15) ? Int.random(in: 0..<messages.count, using: &numbers) : 0
    let done = Array(messages.dropLast(left))
    #expect(done.allSatisfy { $0.assignment == client.assignment }, "a batch of an old assignment is stored")
    catalog.store(done, self.topic)
    let positions = Set(done.map(\.partition)).reduce(into: [:]) { $0[$1] = catalog.positions[$1] }
    guard left == 0 || !isReleased else {
      session.stored(positions, leaving: .unreadable, at: now)
      return .ended
    }
    session.stored(positions, leaving: left == 0 ? .nothing : .rest, at: now)
    _ = session.offsetsToCommit(at: now)
    return .stored(left)
  }

  /// Returns whether the batch is tried again.
  mutating func retries() -> Bool {
    let end = now + session.failed()
    while now < end {
      guard keepAlive() else { return false }
      wait(200)
    }
    return true
  }

  mutating func confirm(_ partition: Int32, _ mark: MessageMark) {
    let found = topic.logs[partition]!.message(at: mark.offset)
    if found == nil || found?.mark == mark { session.confirmed(partition) } else { session.topicRecreated(at: now) }
  }

  mutating func upkeep() {
    guard session.waiting.isEmpty, ahead.isEmpty, session.isCaughtUp else { return }
    if let (partition, mark) = session.messageToLookAt(at: now) { confirm(partition, mark) }
    session.beginUpkeep()
    while happens(30) {
      guard keepAlive() else { break }
    }
    session.endUpkeep()
    act()
  }
}
