import Cluster
import Kafka
import Output
import Platform
import SQLite
import Telemetry

/// Keeps a consumer's assignment and the catalog in step: every assignment starts at the catalog's positions, and what
/// is handed out is new to it.
final class TopicReader {
  let consumer: KafkaConsumer
  private let catalog: Catalog
  let log: Log
  let events: ConsumerEvents
  let topicName: String
  private let cluster: String

  private(set) var topic: Catalog.Topic
  var trackers: [Int32: PartitionTracker] = [:]
  /// Delivered and not yet handed out in a batch.
  var waiting: [KafkaMessage] = []
  var waitingBytes = 0
  var waitingSince: Int64 = 0
  /// The end of what was handed out of each partition, where that was anything.
  var handedOut: [Int32: Int64] = [:]
  /// Grows with each change of the assignment: what was begun before is void.
  private(set) var epoch = 0
  private var isPaused = false
  var wasAssigned = false
  /// Since when the group has given this consumer neither partitions nor the word that there are none; nil: it has, or was
  /// not asked yet.
  var withoutPlaceSince: Int64?
  /// Another topic stands under the name. Acted upon by `pump` alone: within `keepAlive` the catalog may be in the midst
  /// of a transaction.
  var topicIsNew = false
  /// The catalog's positions are to be read: until they are, nothing is taken from the topic.
  var isStale = false
  private var renewal = Renewal()
  /// nil: the topic cannot be made anew while this runs.
  var doubt: TopicDoubt?
  /// Where partitions are to be read from, as far as that has not been brought about.
  private var unplaced: [Int32: KafkaConsumer.StartOffset] = [:]
  private var nextPlacing: Int64 = 0
  private var nextRereading: Int64 = 0
  private var failure: (any Error)?
  /// nil: the topic lasts as long as this.
  var restorer: TopicRestorer?
  private var progress = StoringWatch()
  let reports = Repetitions(intervalMilliseconds: 60_000)
  var lastCommits: [Int32: Int64] = [:]
  var nextCommit: Int64 = 0
  /// When to tell again how much is left.
  private var nextLook: Int64 = 0
  /// What the group's coordinator has refused is not told it again in less, in ms.
  var recommitMilliseconds: Int64 = 5_000
  let inquiry: LeaderInquiry
  /// Looks who else is in the group; nil: nobody can be.
  var census: GroupCensus?

  var partitions: [Int32] { Array(trackers.keys) }
  var fatalError: KafkaError? { consumer.fatalError }

  init(consumer: KafkaConsumer, catalog: Catalog, cluster: String, topic: String, events: ConsumerEvents, log: Log)
    throws
  {
    self.consumer = consumer
    self.catalog = catalog
    self.cluster = cluster
    self.log = log
    self.events = events
    topicName = topic
    inquiry = LeaderInquiry(consumer, topic: topic)
    self.topic = try catalog.topic(topic, cluster: cluster)
    consumer.commitNote = CommittedOffsets.note(of: catalog)
    consumer.onAssigned = { [weak self] in self?.assigned($0) ?? [:] }
    consumer.onRevoked = { [weak self] partitions, _ in self?.revoked(partitions) }
  }

  // MARK: Assignment

  /// Joins the group.
  func subscribe() throws {
    try consumer.subscribe()
    withoutPlaceSince = Clock.monotonicMilliseconds
  }

  /// Reads all partitions of the topic without a group.
  func readAll(partitions: Int) throws { try consumer.assign((0..<Int32(partitions)).map { $0 }) }

  private func assigned(_ partitions: [Int32]) -> [Int32: KafkaConsumer.StartOffset] {
    drop()
    wasAssigned = true
    withoutPlaceSince = nil
    do {
      topic = try catalog.topic(topicName, cluster: cluster)
      for partition in partitions {
        trackers[partition] = PartitionTracker(try catalog.position(topic, partition: partition))
      }
      if renewal.isOver() { events.catalogIsWell() }
      CommittedOffsets.review(of: partitions, trackers, consumer, log)
    } catch {
      for partition in partitions { trackers[partition] = PartitionTracker(nil) }
      isStale = true
      // Within the client's callback nothing can be thrown: the next pump does.
      do { try postpone(error) } catch { failure = error }
    }
    events.assigned()
    census?.assigned()
    // More consumers than partitions, or a group that was arranged while the topic was missing: nobody would look again for long.
    if partitions.isEmpty { restorer?.noteMissing() }
    log.info("partitions assigned", ["partitions": .string(listed(partitions))])
    return trackers.mapValues { $0.start.map { .at($0) } ?? .beginning }
  }

  private func revoked(_ partitions: [Int32]) {
    if !partitions.isEmpty { log.info("partitions revoked", ["partitions": .string(listed(partitions))]) }
    events.revoked()
    drop()
    withoutPlaceSince = Clock.monotonicMilliseconds
    trackers = [:]
    lastCommits = [:]
  }

  /// True if the group has assigned nothing to this consumer for so long, though there is a topic.
  func hasNoPlace(forMilliseconds milliseconds: Int) -> Bool {
    guard restorer?.isMissing != true else { return false }
    return withoutPlaceSince.map { Clock.monotonicMilliseconds - $0 > Int64(milliseconds) } ?? false
  }

  /// Creates the topic again if it was deleted. To be called outside of any transaction.
  /// - Throws: `ClusterChanged`.
  func restoreTopic() throws {
    if consumer.takeMissesTopic() { restorer?.noteMissing() }
    let isThere = try restorer?.restore { try consumer.lookAtSubscription(timeoutMilliseconds: TopicRestorer.patience) }
    if isThere == true, withoutPlaceSince != nil { withoutPlaceSince = Clock.monotonicMilliseconds }
  }

  private func listed(_ partitions: [Int32]) -> String { partitions.sorted().map { String($0) }.joined(separator: ",") }

  private func drop() {
    epoch += 1
    topicIsNew = false
    isStale = false
    doubt?.dispel()
    inquiry.forget()
    unplaced = [:]
    waiting = []
    waitingBytes = 0
    handedOut = [:]
  }

  /// Reads the positions again and goes on there: another consumer has moved them, or the topic is a new one.
  func reload() throws {
    drop()
    isStale = true
    renewal.next = 0
    try renew()
  }

  /// Brings catalog and topic in step again. What the host is at fault for, a full disk, is tried again by the next pumps.
  private func renew() throws {
    guard Clock.monotonicMilliseconds >= renewal.next else {
      // Of another topic, or from nobody knows where.
      (waiting, waitingBytes) = ([], 0)
      return
    }
    do {
      if topicIsNew {
        try catalog.advance(topic)
        log.warning(
          "the topic was made anew: it holds other messages than those stored from it. Starting at its beginning",
          ["topic": .string(topicName)])
      }
      try readPositions()
    } catch { try postpone(error) }
  }

  private func readPositions() throws {
    drop()
    isStale = true
    topic = try catalog.topic(topicName, cluster: cluster)
    for partition in partitions {
      let tracker = PartitionTracker(try catalog.position(topic, partition: partition))
      trackers[partition] = tracker
      unplaced[partition] = tracker.start.map { .at($0) } ?? .beginning
    }
    isStale = false
    if renewal.isOver() { events.catalogIsWell() }
    place()
  }

  private func postpone(_ error: any Error) throws {
    guard (error as? SQLiteError)?.isEnvironmental == true else { throw error }
    events.readingPositionsFailed(error, retryMilliseconds: renewal.postpone())
  }

  /// Seeks where that is to be done. Where it cannot be at the moment, it is tried again a second later.
  private func place() {
    guard !unplaced.isEmpty, Clock.monotonicMilliseconds >= nextPlacing else { return }
    for (partition, start) in unplaced {
      do {
        try consumer.seek(partition: partition, to: start)
        unplaced[partition] = nil
      } catch {
        nextPlacing = Clock.monotonicMilliseconds + 1_000
        log.warning(
          "a partition's place cannot be taken, to be tried again: \(KafkaErrorFix.described(error))",
          ["partition": .of(partition)])
      }
    }
  }

  // MARK: Polling

  /// Polls once. Returns true where new messages came.
  func pump(maximum: Int, timeoutMilliseconds: Int) throws -> Bool {
    let before = waiting.count
    try poll(maximum: maximum, timeoutMilliseconds: timeoutMilliseconds)
    if topicIsNew || isStale {
      try renew()
      return false
    }
    return waiting.count > before
  }

  private func poll(maximum: Int, timeoutMilliseconds: Int) throws {
    for event in consumer.poll(maximum: max(1, maximum), timeoutMilliseconds: timeoutMilliseconds) {
      try handle(event)
    }
    if Clock.monotonicMilliseconds >= nextLook {
      nextLook = Clock.monotonicMilliseconds + 500
      lookAtProgress()
    }
    if let failure {
      self.failure = nil
      throw failure
    }
    place()
  }

  /// Tells how much is left, and whether any of it gets stored.
  private func lookAtProgress() {
    let lag = lag
    events.lag = lag
    // If nothing is fetched, for whatever reason, no fetch tells what else has come.
    if isPaused { inquiry.ask(partitions) } else { inquiry.askNowAndThen(partitions) }
    readAgainWhatFailed()
    progress.look(
      lag: lag, stored: trackers.values.reduce(0) { $0 + ($1.committable ?? 0) }, epoch: epoch,
      silence: inquiry.silence, events.health)
  }

  /// A partition whose fetches were refused may have nothing new, and then nothing would tell that they are not any more.
  private func readAgainWhatFailed() {
    guard Clock.monotonicMilliseconds >= nextRereading, !isPaused else { return }
    nextRereading = Clock.monotonicMilliseconds + 30_000
    for partition in events.unreadable where unplaced[partition] == nil {
      if let expected = trackers[partition]?.expected { unplaced[partition] = .at(expected) }
    }
  }

  func handle(_ event: KafkaConsumer.Event) throws {
    switch event {
    case .message where isStale, .endOfPartition where isStale, .offsetOutOfRange where isStale: break
    // From the place that is to be left: taken for new, it would hide what lies before it.
    case .message(let message) where unplaced[message.partition] != nil: break
    case .endOfPartition(let partition, _) where unplaced[partition] != nil: break
    case .message(let message):
      events.fetchingGoesOn(message.partition)
      doubt?.delivered(message.partition)
      switch trackers[message.partition]?.delivered(message.mark) {
      case .store:
        if waiting.isEmpty { waitingSince = Clock.monotonicMilliseconds }
        waiting.append(message)
        waitingBytes += message.size
      case .topicIsNew: topicIsNew = true
      case .skip, nil: break
      }
      sayGap(of: message.partition)
    case .endOfPartition(let partition, let offset):
      events.fetchingGoesOn(partition)
      if trackers[partition]?.reachedEnd(offset) == false { topicIsNew = true }
      sayGap(of: partition)
    case .offsetOutOfRange(let partition, _):
      guard trackers[partition] != nil else { return }
      trackers[partition]!.outOfRange()
      unplaced[partition] = .beginning
    case .commitFailed(let error):
      // Nothing else may come for long, to be committed with it.
      lastCommits = [:]
      nextCommit = Clock.monotonicMilliseconds + recommitMilliseconds
      try report(error)
    case .failure(let error, let partition):
      if error.isUnknownTopic { restorer?.noteMissing() }
      if error.nature == .needsPerson, withoutPlaceSince == nil {
        events.fetchingFailed(partition, KafkaErrorFix.described(error))
      }
      try report(error)
    }
  }

  /// To be called while a batch waits: polls, so that the group keeps this consumer, with fetching paused.
  /// Returns false where the batch is void, because the assignment or the topic changed, or the run ends.
  func keepAlive(_ stop: StopFlag) -> Bool {
    let begun = epoch
    events.beat(waiting: waiting.count)
    if !isPaused {
      isPaused = true
      try? consumer.pauseAll()
    }
    do { try poll(maximum: 1, timeoutMilliseconds: 20) } catch { failure = error }
    return !stop.isSet && epoch == begun && !topicIsNew
  }

  func resume() {
    guard isPaused else { return }
    isPaused = false
    try? consumer.resumeAll()
  }
}
