import TestSupport
import Testing

@testable import Consumer
@testable import Kafka
@testable import Output

/// A session between a model of the topic and one of the catalog, driven at random: rebalances, other consumers, re-created
/// topics, retention, and failures at any point. `WorldCatalog.store` checks each transaction; here is checked that a session
/// which is left alone afterwards stores the rest.
@Suite("A session's random walk") struct ConsumerSessionWalkTests {
  @Test("nothing is stored twice, out of order or of another topic, nothing is skipped, and progress is possible again")
  func anySequenceOfEvents() {
    for seed: UInt64 in 1...200 {
      var walk = Walk(seed: seed)
      for _ in 0..<4 {
        for _ in 0..<60 { walk.step() }
        walk.recreateUnseen()
        let isDone = walk.calmDown()
        #expect(isDone, "seed \(seed): \(walk.description)")
        if !isDone { return }
      }
    }
  }
}

private struct Walk: CustomStringConvertible {
  typealias Instant = ContinuousClock.Instant

  private var numbers: SeededNumbers
  private var now = ContinuousClock.now
  private var topic: WorldTopic
  private var catalog: WorldCatalog
  private var client = WorldClient()
  private var session: ConsumerSession<WorldMessage>
  private var ahead: [(ticket: BatchTicket, messages: [WorldMessage], isReleased: Bool)] = []
  /// Nothing fails, and nobody else does anything.
  private var isCalm = false
  /// Since the topic was re-created: what makes that unrecognisable must not happen meanwhile.
  private var isRecreated = false
  private let partitions: Int32

  init(seed: UInt64) {
    numbers = SeededNumbers(seed: seed)
    partitions = Int32.random(in: 1...3, using: &numbers)
    topic = WorldTopic(partitions: partitions)
    catalog = WorldCatalog(seed: seed)
    session = ConsumerSession(topic: catalog.topic, doubtsTopic: true)
    session.joined(at: now)
  }

  var description: String {
    "\(session.state) \(session.partitions) \(catalog.topic) \(catalog.positions) \(topic) \(client) \(ahead.count)"
  }

  private mutating func happens(_ percent: Int) -> Bool {
    !isCalm && Int.random(in: 0..<100, using: &numbers) < percent
  }

  private mutating func wait(_ milliseconds: Int) { now += .milliseconds(milliseconds) }

  // MARK: Steps

  mutating func step() {
    wait(Int.random(in: 0...40, using: &numbers))
    switch Int.random(in: 0..<16, using: &numbers) {
    case 0...3: disturb()
    case 4...8: pump()
    case 9...11: handOut()
    case 12...14: storeFirst()
    default: upkeep()
    }
    if session.state == .reading, session.isCaughtUp {
      #expect(ahead.allSatisfy { !session.isCurrent($0.ticket) }, "caught up with batches that are not stored")
    }
  }

  /// What may happen at any time, in the middle of a transaction too.
  private mutating func disturb() {
    let partition = Int32.random(in: 0..<partitions, using: &numbers)
    switch Int.random(in: 0..<20, using: &numbers) {
    case 0...8:
      for _ in 0..<Int.random(in: 1...6, using: &numbers) {
        topic.append(partition, gap: !isRecreated && happens(10) ? 2 : 0)
      }
    case 9...12: rebalance()
    case 13...14:
      guard !isRecreated else { return }
      let log = topic.logs[partition]!
      topic.expire(partition, before: Int64.random(in: log.low...log.end, using: &numbers))
    case 15 where happens(50): recreate { _, numbers in Int.random(in: 0...12, using: &numbers) }
    case 16...17: rivalStores(partition)
    default: wait(Int.random(in: 0...2_000, using: &numbers))
    }
  }

  private mutating func recreate(_ messages: (WorldTopic.Log, inout SeededNumbers) -> Int) {
    // Twice in a row, the second one may be too short to show that the first one was another.
    guard !isRecreated, session.partitions.allSatisfy({ isRecognisable($0.value, topic.logs[$0.key]!) }) else { return }
    let before = topic
    isRecreated = true
    topic.recreate()
    for (partition, log) in before.logs.sorted(by: { $0.key < $1.key }) {
      for _ in 0..<messages(log, &numbers) { topic.append(partition, gap: 0) }
    }
    wait(1_000)
  }

  /// A topic that is re-created in the moment in which the client finds its way around expired offsets, and which has as many
  /// messages, cannot be told from the one before, nor can one of which no message has been seen.
  private func isRecognisable(_ partition: PartitionSession, _ log: WorldTopic.Log) -> Bool {
    switch partition.state {
    case .searching: false
    case .checking: true
    case .following, .ended:
      partition.stored != nil || log.low == 0 || partition.committable == nil && partition.expected > 0
    }
  }

  /// Re-creates the topic so that each partition ends where it did: then nothing comes that would show it.
  mutating func recreateUnseen() {
    if happens(20) { recreate { log, _ in Int(log.end) } }
  }

  private mutating func rebalance() {
    if !client.assigned.isEmpty || happens(20) {
      client.revoke()
      session.revoked(at: now)
    }
    guard isCalm || !happens(30) else { return }
    let own = isCalm ? Array(0..<partitions) : (0..<partitions).filter { _ in !happens(30) }
    session.assigned(own, at: now)
    // Within the client's callback.
    if case .readPositions(let wanted, _) = session.nextAction(at: now) { readPositions(wanted) }
    client.assign(own, session.takeStarts(), topic)
  }

  /// Another consumer, which is right about the partition or was until a moment ago.
  private mutating func rivalStores(_ partition: Int32) {
    let log = topic.logs[partition]!
    if let last = catalog.positions[partition]?.last,
      last.offset >= log.end || log.message(at: last.offset).map({ $0.mark != last }) ?? false
    {
      return catalog.advance(from: catalog.topic)
    }
    let next = catalog.positions[partition]?.next ?? 0
    let messages = log.messages.filter { $0.offset >= next }.prefix(Int.random(in: 1...3, using: &numbers))
    if !messages.isEmpty { catalog.store(Array(messages), topic) }
  }

  // MARK: The driver

  private mutating func poll(_ maximum: Int) {
    for event in client.poll(maximum, topic, &numbers) {
      switch event {
      case .message(let message): _ = session.received(message, at: now)
      case .end(let partition, let offset): _ = session.reachedEnd(of: partition, offset, at: now)
      case .outOfRange(let partition): session.outOfRange(partition, at: now)
      }
    }
  }

  private mutating func act() {
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

  private mutating func readPositions(_ wanted: [Int32]) {
    #expect(wanted == session.partitions.keys.sorted())
    if happens(20) {
      _ = session.catalogFailed(at: now)
    } else {
      _ = session.positionsRead(catalog.topic, catalog.positions, at: now)
    }
  }

  private mutating func pump() {
    poll(Int.random(in: 1...8, using: &numbers))
    act()
    if happens(5) { session.refetch(session.partitions.keys.sorted(), at: now) }
  }

  /// Polls in the middle of work. Returns whether that goes on.
  private mutating func keepAlive() -> Bool {
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

  private mutating func handOut() {
    guard !session.waiting.isEmpty else { return }
    let batch = session.handOut(Int.random(in: 1...5, using: &numbers))
    ahead.append((batch.ticket, batch.messages, !batch.keepsContent))
  }

  private mutating func storeFirst() {
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
  private mutating func store(_ whole: [WorldMessage], _ isReleased: Bool) -> Bool {
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

  private enum Outcome {
    case stored(Int)
    case retry
    case ended
  }

  private mutating func transaction(
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
  private mutating func retries() -> Bool {
    let end = now + session.failed()
    while now < end {
      guard keepAlive() else { return false }
      wait(200)
    }
    return true
  }

  private mutating func confirm(_ partition: Int32, _ mark: Catalog.Mark) {
    let found = topic.logs[partition]!.message(at: mark.offset)
    if found == nil || found?.mark == mark { session.confirmed(partition) } else { session.topicRecreated(at: now) }
  }

  private mutating func upkeep() {
    guard session.waiting.isEmpty, ahead.isEmpty, session.isCaughtUp else { return }
    if let (partition, mark) = session.messageToLookAt(at: now) { confirm(partition, mark) }
    session.beginUpkeep()
    while happens(30) {
      guard keepAlive() else { break }
    }
    session.endUpkeep()
    act()
  }

  // MARK: Afterwards

  /// Leaves the session alone. Returns whether it has stored all that the topic has, of this very topic, in a bounded time.
  mutating func calmDown() -> Bool {
    isCalm = true
    defer { isCalm = false }
    if client.assigned.count < Int(partitions) { rebalance() }
    for _ in 0..<2_000 {
      if isAllStored {
        isRecreated = false
        return !client.isPaused && session.isCaughtUp
      }
      wait(100)
      pump()
      handOut()
      storeFirst()
      upkeep()
    }
    return false
  }

  private var isAllStored: Bool {
    guard session.isCaughtUp, session.waiting.isEmpty, ahead.isEmpty else { return false }
    return topic.logs.allSatisfy { partition, log in
      let stored = catalog.stored(in: partition).map(\.mark)
      return log.messages.allSatisfy { stored.contains($0.mark) }
    }
  }
}
