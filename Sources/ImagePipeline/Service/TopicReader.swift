import Kafka
import Platform
import Telemetry

/// Keeps a consumer's assignment and the catalog in step: every assignment starts at the catalog's positions, and what
/// is handed out is new to it.
final class TopicReader {
  private let consumer: KafkaConsumer
  private let catalog: Catalog
  private let log: Log
  private let events: ConsumerEvents
  private let topicName: String
  private let cluster: String

  private(set) var topic: Catalog.Topic
  private var trackers: [Int32: PartitionTracker] = [:]
  /// Delivered and not yet handed out in a batch.
  private(set) var waiting: [KafkaMessage] = []
  private var waitingBytes = 0
  private var waitingSince: Int64 = 0
  /// Grows with each change of the assignment: what was begun before is void.
  private var epoch = 0
  private var isPaused = false
  private var wasAssigned = false
  private var topicIsNew = false
  /// Where partitions are to be read from, as far as that has not been brought about.
  private var unplaced: [Int32: KafkaConsumer.StartOffset] = [:]
  private var nextPlacing: Int64 = 0
  private var failure: (any Error)?
  private var lastCommits: [Int32: Int64] = [:]
  private var lastWoken = 0
  /// Each costs a round trip; partitions are taken in turn.
  private static let mostWoken = 4

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
    self.topic = try catalog.topic(topic, cluster: cluster)
    consumer.onAssigned = { [weak self] in self?.assigned($0) ?? [:] }
    consumer.onRevoked = { [weak self] partitions, _ in self?.revoked(partitions) }
  }

  // MARK: Assignment

  private func assigned(_ partitions: [Int32]) -> [Int32: KafkaConsumer.StartOffset] {
    drop()
    wasAssigned = true
    do {
      topic = try catalog.topic(topicName, cluster: cluster)
      for partition in partitions {
        trackers[partition] = PartitionTracker(try catalog.position(topic, partition: partition))
      }
    } catch {
      // Within the client's callback nothing can be thrown: the next pump does.
      failure = error
    }
    events.assigned()
    log.info("partitions assigned", ["partitions": .string(listed(partitions))])
    return trackers.mapValues { $0.start.map { .at($0) } ?? .beginning }
  }

  private func revoked(_ partitions: [Int32]) {
    if !partitions.isEmpty { log.info("partitions revoked", ["partitions": .string(listed(partitions))]) }
    events.revoked()
    drop()
    trackers = [:]
    lastCommits = [:]
  }

  private func listed(_ partitions: [Int32]) -> String { partitions.sorted().map { String($0) }.joined(separator: ",") }

  private func drop() {
    epoch += 1
    unplaced = [:]
    waiting = []
    waitingBytes = 0
  }

  /// Reads the positions again and goes on there: another consumer has moved them, or the topic is a new one.
  func reload() throws {
    let partitions = Array(trackers.keys)
    drop()
    topic = try catalog.topic(topicName, cluster: cluster)
    for partition in partitions {
      let tracker = PartitionTracker(try catalog.position(topic, partition: partition))
      trackers[partition] = tracker
      unplaced[partition] = tracker.start.map { .at($0) } ?? .beginning
    }
    place()
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
        log.warning("a partition's place cannot be taken, to be tried again: \(error)", ["partition": .of(partition)])
      }
    }
  }

  // MARK: Polling

  /// Polls once. Returns true where new messages came.
  func pump(maximum: Int, timeoutMilliseconds: Int) throws -> Bool {
    let before = waiting.count
    for event in consumer.poll(maximum: max(1, maximum), timeoutMilliseconds: timeoutMilliseconds) {
      try handle(event)
    }
    if let failure {
      self.failure = nil
      throw failure
    }
    place()
    if topicIsNew {
      topicIsNew = false
      log.warning(
        "the topic was made anew: it holds other messages than those stored from it. Starting at its beginning",
        ["topic": .string(topicName)])
      try catalog.advance(topic)
      try reload()
      return false
    }
    return waiting.count > before
  }

  private func handle(_ event: KafkaConsumer.Event) throws {
    switch event {
    // From the place that is to be left: taken for new, it would hide what lies before it.
    case .message(let message) where unplaced[message.partition] != nil: break
    case .endOfPartition(let partition, _) where unplaced[partition] != nil: break
    case .message(let message):
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
      if trackers[partition]?.reachedEnd(offset) == false { topicIsNew = true }
      sayGap(of: partition)
    case .offsetOutOfRange(let partition, _):
      guard trackers[partition] != nil else { return }
      trackers[partition]!.outOfRange()
      unplaced[partition] = .beginning
    case .failure(let error):
      if error.isFatal { throw error }
      log.warning("the Kafka client reports: \(error)")
    }
  }

  private func sayGap(of partition: Int32) {
    guard let lost = trackers[partition]?.takeGap() else { return }
    log.error(
      "messages were removed from the topic before they were stored: \(lost.count)",
      [
        "partition": .of(partition), "from": .of(lost.lowerBound), "to": .of(lost.upperBound - 1),
        "cure": "give the topic a longer retention.ms or larger retention.bytes",
      ])
  }

  /// To be called while a batch waits: polls, so that the group keeps this consumer, with fetching paused.
  /// Returns false where the batch is void, because the assignment changed or the run ends.
  func keepAlive(_ stop: StopFlag) -> Bool {
    let begun = epoch
    events.beat(waiting: waiting.count)
    if !isPaused {
      isPaused = true
      try? consumer.pauseAll()
    }
    do { _ = try pump(maximum: 1, timeoutMilliseconds: 20) } catch { failure = error }
    return !stop.isSet && epoch == begun
  }

  func resume() {
    guard isPaused else { return }
    isPaused = false
    try? consumer.resumeAll()
  }

  // MARK: Batches

  /// True where what waits should be stored: enough of it, for long enough, or nothing more is coming.
  func isDue(room: Int, bytes: Int, quiet: Bool) -> Bool {
    guard !waiting.isEmpty else { return false }
    return waiting.count >= room || waitingBytes >= bytes || quiet
      || Clock.monotonicMilliseconds - waitingSince >= 100
  }

  /// - Parameter room: the most messages.
  func takeBatch(room: Int) -> ImageStore.Batch {
    let messages = Array(waiting.prefix(room))
    waiting.removeFirst(messages.count)
    waitingBytes = waiting.reduce(0) { $0 + $1.size }
    var base: [Int32: Catalog.Position?] = [:]
    for message in messages { base[message.partition] = .some(trackers[message.partition]?.stored) }
    wakeFetchers()
    return ImageStore.Batch(topic: topic, messages: messages, base: base)
  }

  /// Has more fetched while a batch is stored.
  ///
  /// librdkafka before 2.2 stops fetching when its queue is full and looks at it again once a second, whatever was taken
  /// out meanwhile: a consumer that is held up by its disk then waits most of the time. Any question to a partition's
  /// leader wakes the thread that fetches from it. Measured: 3 to 4 times the rate.
  private func wakeFetchers() {
    let behind = trackers.filter { partition, tracker in
      consumer.knownEnd(partition: partition).map { $0 > tracker.expected } ?? false
    }.keys.sorted()
    guard !behind.isEmpty else { return }
    for _ in 0..<min(behind.count, Self.mostWoken) {
      lastWoken += 1
      _ = try? consumer.watermarks(
        of: topicName, partition: behind[lastWoken % behind.count], timeoutMilliseconds: 1_000)
    }
  }

  /// The catalog has these now; Kafka is told too, for those who watch the group.
  func committed(_ positions: [Int32: Catalog.Position]) {
    for (partition, position) in positions { trackers[partition]?.committed(position) }
    commit()
  }

  private func commit() {
    let commits = trackers.compactMapValues(\.committable)
    guard !commits.isEmpty, commits != lastCommits else { return }
    lastCommits = commits
    consumer.commit(commits)
    FaultPoint.offsetsCommitted.reached()
  }

  func commitAndWait(timeoutMilliseconds: Int) {
    let commits = trackers.compactMapValues(\.committable)
    guard !commits.isEmpty else { return }
    do { try consumer.commitAndWait(commits, timeoutMilliseconds: timeoutMilliseconds) } catch {
      log.warning("the group's offsets could not be committed, which only monitoring will notice: \(error)")
    }
  }

  // MARK: How much is left

  /// Messages of the assigned partitions that are not stored, as far as the last fetches tell.
  var lag: Int {
    trackers.reduce(0) { sum, entry in
      guard let high = consumer.knownEnd(partition: entry.key) else { return sum }
      return sum + Int(max(0, high - max(entry.value.stored?.next ?? 0, entry.value.end ?? 0)))
    }
  }

  /// True where everything in the assigned partitions is stored, to the end that the broker has shown.
  var isCaughtUp: Bool { wasAssigned && waiting.isEmpty && trackers.values.allSatisfy(\.isAtEnd) }

  /// Behind the last message there may be control records: whoever waits for the group's end wants to see it reached.
  func commitEnds() { if isCaughtUp { commit() } }
}
