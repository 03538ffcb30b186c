import Cluster
import Kafka
import Output
import Platform
import Telemetry
import Wire

/// Carries out a consumer's session: reports the client's events to it, and does with the client and the catalog what
/// the session asks for. Only the session decides what may be done, and when. Used by one thread.
final class SessionDriver {
  private let consumer: KafkaConsumer
  let positions: any StoredPositions
  private let cluster: String
  private let topicName: String
  private let log: Log
  private let events: ConsumerEvents

  private(set) var session: ConsumerSession<KafkaMessage>
  let lag: LagWatch
  /// Reads messages again, to see whether the topic was re-created; nil if it cannot be while this runs.
  private let rereader: Rereader?
  /// nil if the topic lasts as long as this.
  var restorer: TopicRestorer?
  /// Looks who else is in the group; nil if nobody can be.
  var census: GroupCensus?
  /// An error that cannot be thrown in the client's callback, or while a batch is stored. The next `pump` throws it.
  private var failure: (any Error)?
  private let reports: ClientReports
  private(set) var fetched = 0  // Messages that the client has delivered.

  /// How long the broker may take to return a message.
  private static let patience = Duration.seconds(2)

  var fatalError: KafkaError? { consumer.fatalError }

  init(
    consumer: KafkaConsumer, positions: any StoredPositions, cluster: String, topic: String, rereader: Rereader? = nil,
    commitRetry: Duration = .seconds(5), events: ConsumerEvents, log: Log
  ) throws {
    self.consumer = consumer
    self.positions = positions
    self.cluster = cluster
    self.rereader = rereader
    self.log = log
    self.events = events
    topicName = topic
    session = ConsumerSession(
      topic: try positions.topic(topic, cluster: cluster), doubtsTopic: rereader != nil, commitRetry: commitRetry)
    reports = ClientReports(log: log, health: events.health)
    lag = LagWatch(consumer, topic: topic, events: events)
    consumer.commitNote = CommittedOffsets.note(of: positions.id)
    consumer.onAssigned = { [weak self] in self?.assigned($0) ?? [:] }
    consumer.onRevoked = { [weak self] in self?.revoked($0) }
  }

  // MARK: Group

  /// Joins the group.
  func subscribe() throws {
    try consumer.subscribe()
    session.joined(at: .now)
  }

  /// Reads all partitions of the topic without a group.
  func readAll(partitions: Int) throws { try consumer.assign((0..<Int32(partitions)).map { $0 }) }

  /// Called by the client, within a poll.
  private func assigned(_ partitions: [Int32]) -> [Int32: KafkaConsumer.StartOffset] {
    let now = ContinuousClock.now
    session.assigned(partitions, at: now)
    // Not if a batch is being stored: then the partitions are placed after it.
    if case .readPositions(let partitions, let isNew) = session.nextAction(at: now) {
      do { try readPositions(partitions, isNewAssignment: isNew, at: now) } catch { failure = error }
    }
    lag.forget()
    events.assigned(partitions)
    census?.assigned()
    // There are more consumers than partitions, or the group was rebalanced while the topic was missing. In the second
    // case nobody would look for the topic again for a long time.
    if partitions.isEmpty { restorer?.noteMissing() }
    return session.takeStarts()
  }

  private func revoked(_ partitions: [Int32]) {
    events.revoked(partitions)
    session.revoked(at: .now)
    lag.forget()
  }

  /// How long the group has assigned nothing to this consumer, though there is a topic.
  var waitedForAssignment: Duration? { restorer?.isMissing == true ? nil : session.waited(at: .now) }

  /// Creates the topic again if it was deleted. To be called outside of any transaction.
  /// - Throws: `ClusterChanged`.
  func restoreTopic() throws {
    if consumer.takeMissesTopic() { restorer?.noteMissing() }
    let isThere = try restorer?.restore { try consumer.lookAtSubscription(timeout: TopicRestorer.patience) }
    if isThere == true { session.topicFound(at: .now) }
  }

  // MARK: Polling

  /// Carries out due actions before and after polling once. Returns true if new messages arrived.
  func pump(maximum: Int, timeout: Duration) throws -> Bool {
    try carryOut()
    let before = session.waiting.count
    try poll(maximum: maximum, timeout: timeout)
    try carryOut()
    return session.waiting.count > before
  }

  /// To be called while a batch is stored or waits to be stored. Polls, so that the group keeps this consumer. Events
  /// are noted, and acted upon when the work has ended.
  /// - Returns: false if the work has lost its purpose, or the run ends.
  func keepAlive(_ stop: StopFlag) -> Bool {
    events.beat(waiting: session.waiting.count)
    do {
      try carryOut()
      try poll(maximum: 1, timeout: .milliseconds(20))
    } catch { failure = error }
    return !stop.isSet && !session.isWorkVoid
  }

  private func poll(maximum: Int, timeout: Duration) throws {
    for event in consumer.poll(maximum: max(1, maximum), timeout: timeout) {
      try handle(event)
    }
    session.refetch(lag.look(session), at: .now)
    if let failure {
      self.failure = nil
      throw failure
    }
  }

  func handle(_ event: KafkaConsumer.Event) throws {
    switch event {
    case .message(let message):
      fetched += 1
      note(session.received(message, at: .now), of: message.partition)
    case .endOfPartition(let partition, let offset):
      note(session.reachedEnd(of: partition, offset, at: .now), of: partition)
    case .offsetOutOfRange(let partition, _): session.outOfRange(partition, at: .now)
    case .commitFailed(let error):
      session.commitRefused(at: .now)
      try reports.report(error, isWaiting: session.waited(at: .now) != nil)
    case .failure(let error, let partition):
      if error.isUnknownTopic { restorer?.noteMissing() }
      if error.disposition == .needsPerson, !error.isTopicMissing, session.waited(at: .now) == nil {
        events.fetchingFailed(partition, KafkaErrorFix.described(error))
      }
      try reports.report(error, isWaiting: session.waited(at: .now) != nil)
    }
  }

  private func note(_ reception: ConsumerSession<KafkaMessage>.Reception, of partition: Int32) {
    guard case .noted(let loss) = reception else { return }
    events.fetchingGoesOn(partition)
    if let loss { events.lost(loss, of: partition) }
  }

  // MARK: Actions of the session

  /// Carries out all actions that are due now. A failed one is due later, so the client is polled before it is tried
  /// again: a failing seek takes seconds, and two of them would follow each other without end.
  private func carryOut() throws {
    let now = ContinuousClock.now
    while let action = session.nextAction(at: now) {
      switch action {
      case .advanceGeneration(let topic): try advance(topic, at: now)
      case .readPositions(let partitions, let isNew): try readPositions(partitions, isNewAssignment: isNew, at: now)
      case .seek(let partition, let start): seek(partition, start)
      case .pause:
        session.paused()
        try? consumer.pauseAll()
      case .resume:
        session.resumed()
        try? consumer.resumeAll()
      }
    }
  }

  private func advance(_ topic: Catalog.Topic, at now: ContinuousClock.Instant) throws {
    do {
      try positions.advance(topic)
      session.generationAdvanced(at: now)
      events.topicIsNew(topicName)
    } catch { try postpone(error) }
  }

  private func readPositions(_ partitions: [Int32], isNewAssignment: Bool, at now: ContinuousClock.Instant) throws {
    lag.forget()
    do {
      let topic = try positions.topic(topicName, cluster: cluster)
      let found = try positions.positions(of: topic, in: partitions)
      if session.positionsRead(topic, found, at: now) { events.catalogIsWell() }
      if isNewAssignment { CommittedOffsets.review(of: partitions, found, consumer, log) }
    } catch { try postpone(error) }
  }

  /// Has the session ask for the action again later. Throws the error unless it may pass, as a full disk may.
  private func postpone(_ error: any Error) throws {
    let delay = session.catalogFailed(at: .now)
    guard Disposition(of: error)?.mayPass == true else { throw error }
    events.readingPositionsFailed(error, retryIn: delay)
  }

  private func seek(_ partition: Int32, _ start: KafkaConsumer.StartOffset) {
    do {
      try consumer.seek(partition: partition, to: start)
      session.placed(partition)
    } catch {
      session.seekFailed(partition, at: .now)
      events.seekFailed(partition, error)
    }
  }

  // MARK: Batches

  /// - Parameter room: the maximum number of messages.
  func handOut(_ room: Int) -> ConsumerSession<KafkaMessage>.Batch {
    let batch = session.handOut(room)
    lag.wakeFetchers(session)
    return batch
  }

  /// Begins to store a batch, which ends with `endStoring`. Returns false if it is void.
  func begin(_ ticket: BatchTicket) -> Bool {
    switch session.begin(ticket, at: .now) {
    case .begun: return true
    case .void: return false
    case .outOfOrder:
      log.warning(event: "batch_out_of_order", "messages before this batch are not stored; reading them again")
      return false
    }
  }

  /// The positions that the catalog must have for the batch to be stored; nil if the batch is void.
  /// - Throws: if the broker does not answer whether it still has a doubted message.
  func expectedPositions() throws -> [Int32: Catalog.Position?]? {
    while true {
      switch session.permission() {
      case .store(_, let positions): return positions
      case .void: return nil
      case .confirm(let marks):
        for (partition, mark) in marks { try confirm(partition, mark) }
      }
    }
  }

  /// Checks whether the topic still has this message. A message that has expired or was compacted away proves nothing.
  private func confirm(_ partition: Int32, _ mark: MessageMark) throws {
    let found = try rereader?.read(
      topic: topicName, partition: partition, offset: mark.offset, timeout: Self.patience)
    if found == nil || found?.mark == mark { session.confirmed(partition) } else { session.topicRecreated(at: .now) }
  }

  /// The catalog has these positions now. They are committed to Kafka, too, for those who watch the group.
  func stored(_ positions: [Int32: Catalog.Position], leaving remainder: ConsumerSession<KafkaMessage>.Remainder) {
    session.stored(positions, leaving: remainder, at: .now)
    events.lag = lag.lag(of: session)
    commit()
  }

  /// - Returns: how long to wait before the batch is tried again.
  func storingFailed() -> Duration { session.failed() }

  /// The batch cannot be stored as it is, and its messages' content is gone.
  func readAgain() { session.giveBack(at: .now) }

  /// The batch is stored, or given up. Carries out the actions that have become due meanwhile.
  func endStoring(_ stop: StopFlag) throws {
    session.gaveUp(at: .now)
    if !stop.isSet { try carryOut() }
  }

  // MARK: Between batches

  /// Has receipts written for offsets that were lost, if nothing follows them. To be called during upkeep.
  func reportLosses(to store: ImageStore) throws {
    let lost = session.lost
    guard !lost.isEmpty else { return }
    let base = session.partitions.filter { lost[$0.key] != nil }.mapValues(\.stored)
    if try store.recordLosses(lost, of: session.topic, base: base) { session.reported(lost) }
  }

  /// To be called at intervals while everything is stored. Control records may follow the last message, so the offsets
  /// are committed again. The last stored messages are looked at: nothing else would reveal that the topic was
  /// re-created and ends at the same offset as before.
  func lookAtEnds() {
    commit()
    if let (partition, mark) = session.messageToLookAt(at: .now) {
      // A broker that is unavailable does not matter here.
      try? confirm(partition, mark)
    }
  }

  /// Runs work that may wait for the broker or hold the catalog's lock.
  func upkeep(_ body: () throws -> Void) throws {
    session.beginUpkeep()
    defer { session.endUpkeep() }
    try body()
  }

  private func commit() {
    guard let offsets = session.offsetsToCommit(at: .now) else { return }
    consumer.commit(offsets)
    FaultPoint.offsetsCommitted.reached()
  }

  func commitAndWait(timeout: Duration) {
    let offsets = session.committable
    guard !offsets.isEmpty else { return }
    do { try consumer.commitAndWait(offsets, timeout: timeout) } catch {
      events.commitFailed(error)
    }
  }

  /// How many partitions the topic has now; nil if the broker does not answer.
  func partitionCount() -> Int? { try? consumer.partitionCount(of: topicName, timeout: .seconds(5)) }
}
