import TestSupport
import Testing

@testable import Consumer
@testable import Kafka
@testable import Output

/// One walk: its topic, catalog and client, the session, and what disturbs them.
struct SessionWalk: CustomStringConvertible {
  typealias Instant = ContinuousClock.Instant

  var numbers: SeededNumbers
  var now = ContinuousClock.now
  var topic: WorldTopic
  var catalog: WorldCatalog
  var client = WorldClient()
  var session: ConsumerSession<WorldMessage>
  var ahead: [(ticket: BatchTicket, messages: [WorldMessage], isReleased: Bool)] = []
  /// Nothing fails, and nobody else does anything.
  var isCalm = false
  /// Since the topic was re-created: what makes that unrecognisable must not happen meanwhile.
  var isRecreated = false
  let partitions: Int32

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

  mutating func happens(_ percent: Int) -> Bool {
    !isCalm && Int.random(in: 0..<100, using: &numbers) < percent
  }

  mutating func wait(_ milliseconds: Int) { now += .milliseconds(milliseconds) }

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
  mutating func disturb() {
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

  mutating func recreate(_ messages: (WorldTopic.Log, inout SeededNumbers) -> Int) {
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

  /// Whether a consumer can notice that the topic was re-created. It cannot in two cases: it has not seen a message of the
  /// old topic yet, or it is looking for the end of expired offsets and the new topic has the same number of messages.
  func isRecognisable(_ partition: PartitionSession, _ log: WorldTopic.Log) -> Bool {
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

  mutating func rebalance() {
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
  mutating func rivalStores(_ partition: Int32) {
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

  var isAllStored: Bool {
    guard session.isCaughtUp, session.waiting.isEmpty, ahead.isEmpty else { return false }
    return topic.logs.allSatisfy { partition, log in
      let stored = catalog.stored(in: partition).map(\.mark)
      return log.messages.allSatisfy { stored.contains($0.mark) }
    }
  }
}
