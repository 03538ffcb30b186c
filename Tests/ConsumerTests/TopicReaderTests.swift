import TestSupport
import Testing

@testable import Consumer
@testable import Kafka
@testable import Output
@testable import Platform
@testable import Telemetry

/// What a reader of the topic does when it finds, at an awkward moment, that the topic was made anew.
@Suite struct TopicReaderTests {
  private let scratch: TestFolder
  private let catalog: Catalog
  private let cluster: EmbeddedCluster
  private let consumer: KafkaConsumer
  private let reader: TopicReader
  private let events: ConsumerEvents
  private let lines = LogLines()

  init() throws {
    scratch = TestFolder()
    catalog = try Catalog(in: scratch.makeFolder("reserved"), exclusive: false)
    cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let settings = Self.settings(cluster)
    consumer = try KafkaConsumer(settings, topic: "images")
    let log = lines.log
    events = ConsumerEvents(log: log)
    reader = try TopicReader(
      consumer: consumer, catalog: catalog, cluster: "c", topic: "images", events: events, log: log)
    // What is done before may take its time.
    try #require(!reader.hasNoPlace(forMilliseconds: -1))
    try reader.subscribe()
    try #require(reader.hasNoPlace(forMilliseconds: -1))
    let deadline = Clock.monotonicMilliseconds + 30_000
    while !reader.isCaughtUp, Clock.monotonicMilliseconds < deadline {
      _ = try reader.pump(maximum: 10, timeoutMilliseconds: 50)
    }
    try #require(reader.isCaughtUp)
    try #require(!reader.hasNoPlace(forMilliseconds: -1))
  }

  private static func settings(_ cluster: EmbeddedCluster) -> KafkaSettings {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    settings.set("group.id", "group")
    settings.set("session.timeout.ms", "4000")
    settings.set("heartbeat.interval.ms", "500")
    return settings
  }

  private var generation: Int64 { get throws { try catalog.generation(of: reader.topic) } }

  /// The partition ends before its beginning: so ends the one of another topic.
  private func showAnotherTopic() throws { try reader.handle(.endOfPartition(0, offset: -1)) }

  @Test("a re-created topic restarts with the next pump") func recreatedTopicRestarts() throws {
    try showAnotherTopic()
    _ = try reader.pump(maximum: 1, timeoutMilliseconds: 0)
    #expect(try generation == 2)
    _ = try reader.pump(maximum: 1, timeoutMilliseconds: 0)
    #expect(try generation == 2)
  }

  @Test("messages seen before a position reload are ignored") func staleMessagesAreIgnored() throws {
    try showAnotherTopic()
    // Another consumer was quicker, or the group has assigned the partitions anew.
    try reader.reload()
    _ = try reader.pump(maximum: 1, timeoutMilliseconds: 0)
    #expect(try generation == 1)
  }

  @Test("nothing restarts during a transaction") func transactionDelaysRestart() throws {
    #expect(try catalog.database.tryBegin())
    try showAnotherTopic()
    let stop = StopFlag()
    #expect(!reader.keepAlive(stop), "what is being stored is the old topic's")
    try catalog.set(Catalog.Position(next: 3, last: nil), reader.topic, partition: 5)
    try catalog.database.commit()
    #expect(try generation == 1)
    _ = try reader.pump(maximum: 1, timeoutMilliseconds: 0)
    #expect(try generation == 2)
  }

  /// A question to the broker, which answers it after a fetch that itself waits for messages.
  @Test("a pending fetch is not awaited") func pendingFetchIsNotAwaited() throws {
    let begun = ContinuousClock.now
    for _ in 1...100 { reader.inquiry.wakeFetchers(left: [0: 1_000]) }
    #expect(ContinuousClock.now - begun < .milliseconds(400))
  }

  @Test("a failed commit is repeated even if nothing else arrives") func failedCommitIsRepeated() throws {
    reader.recommitMilliseconds = 200
    // Not authorized, for once.
    cluster.failNextRequests(api: 8, errors: [30])
    let deadline = Clock.monotonicMilliseconds + 10_000
    var committed: [Int32: Int64] = [:]
    while committed.isEmpty, Clock.monotonicMilliseconds < deadline {
      reader.commitEnds()
      _ = try reader.pump(maximum: 10, timeoutMilliseconds: 50)
      committed = try consumer.committed(partitions: [0], timeoutMilliseconds: 5_000)
    }
    #expect(committed == [0: 0])
    #expect(lines.all.count { $0.contains("commit of topic images") } == 1, "\(lines.all)")
  }

  @Test("the lag is reported while messages wait and when they are stored") func lagIsReported() throws {
    for number in 0..<5 { try send("\(number)") }
    try pump(reader) { reader.waiting.count == 5 && events.now.lag == 5 }
    let batch = reader.takeBatch(room: 3)
    #expect(batch.messages.count == 3)
    // That there is no more to come does not mean that all is stored.
    try pump(reader) { reader.trackers[0]?.end == 5 }
    #expect(reader.lag == 5)
    reader.committed([0: Catalog.Position(next: 3, last: batch.messages[2].mark)])
    #expect(events.now.lag == 2)
  }

  @Test("a batch is next once everything before it is stored") func batchIsNextInOrder() throws {
    for number in 0..<4 { try send("\(number)") }
    try pump(reader) { reader.waiting.count == 4 }
    let (first, second) = (reader.takeBatch(room: 2), reader.takeBatch(room: 2))
    #expect(reader.isNext(first) && !reader.isNext(second))
    reader.committed([0: Catalog.Position(next: 1, last: first.messages[0].mark)])
    #expect(!reader.isNext(second))
    reader.committed([0: Catalog.Position(next: 2, last: first.messages[1].mark)])
    #expect(reader.isNext(second))
    // Read again, since the catalog has none of them, they follow nothing.
    try reader.reload()
    try pump(reader) { reader.waiting.count == 4 }
    #expect(reader.isNext(reader.takeBatch(room: 2)))
  }

  @Test("joined batches follow only what was handed out before the first of them")
  func joinedBatchesFollowTheFirst() throws {
    for number in 0..<6 { try send("\(number)") }
    try pump(reader) { reader.waiting.count == 6 }
    // The first one has no message of the partition, as one that is full of others' has.
    var joined = ImageStore.Batch(topic: reader.topic, messages: [], base: [:])
    joined.append(reader.takeBatch(room: 2))
    joined.append(reader.takeBatch(room: 2))
    #expect(reader.isNext(joined), "\(joined.follows)")
    var later = reader.takeBatch(room: 1)
    later.append(reader.takeBatch(room: 1))
    #expect(!reader.isNext(later))
    reader.committed([0: Catalog.Position(next: 4, last: joined.messages[3].mark)])
    #expect(reader.isNext(later))
  }

  /// Nothing is fetched then, which is when it matters most.
  @Test("the lag is reported while a batch waits") func lagIsReportedWhileBatchWaits() throws {
    try send("0")
    try pump(reader) { reader.waiting.count == 1 }
    _ = reader.takeBatch(room: 1)
    let stop = StopFlag()
    #expect(reader.keepAlive(stop))
    for number in 1..<5 { try send("\(number)") }
    let deadline = Clock.monotonicMilliseconds + 10_000
    while events.now.lag != 5, Clock.monotonicMilliseconds < deadline { #expect(reader.keepAlive(stop)) }
    #expect(events.now.lag == 5)
  }

  /// JoinGroup fails, as it does while another member of the group has another assignment strategy.
  @Test("a failure to join the group is logged once with its fix and makes the consumer unready")
  func failedJoinIsReported()
    throws
  {
    var settings = Self.settings(cluster)
    settings.set("group.id", "another")
    settings.set("retry.backoff.ms", "10")
    cluster.failNextRequests(api: 11, errors: Array(repeating: 23, count: 3))
    let consumer = try KafkaConsumer(settings, topic: "images")
    defer { consumer.unsubscribeAndClose() }
    let own = LogLines()
    let events = ConsumerEvents(log: own.log)
    let reader = try TopicReader(
      consumer: consumer, catalog: catalog, cluster: "c", topic: "images", events: events, log: own.log)
    try reader.subscribe()
    func reasons() -> [String] { events.health.report().reasons }
    try pump(reader) { reasons().contains { $0.contains("CONSUMER_GROUP") } }
    try pump(reader) { !reader.partitions.isEmpty }
    #expect(
      own.all.count { $0.contains("INCONSISTENT_GROUP_PROTOCOL") && $0.contains("CONSUMER_GROUP") } == 1, "\(own.all)")
    #expect(reasons() == [])
  }

  // MARK: A disk that is full

  /// Until `isDone`, with a bound; in the midst of it the catalog can be written again.
  private func pump(_ reader: TopicReader, until isDone: () throws -> Bool) throws {
    let deadline = Clock.monotonicMilliseconds + 30_000
    while try !isDone(), Clock.monotonicMilliseconds < deadline {
      _ = try reader.pump(maximum: 10, timeoutMilliseconds: 20)
    }
    #expect(try isDone(), "\(lines.all)")
  }

  private func saysThatItWaits(_ times: Int = 1) -> Bool {
    lines.all.count { $0.contains("positions cannot be had") && $0.contains("retry_ms") } >= times
  }

  private func send(_ text: String) throws {
    let producer = try KafkaProducer(Self.settings(cluster)) { _ in }
    defer { producer.close() }
    try Array(text.utf8).withUnsafeBytes {
      _ = try producer.send(topic: "images", key: $0, copying: $0, headers: [], token: 0)
    }
    #expect(producer.flush(timeoutMilliseconds: 10_000))
  }

  @Test("a re-created topic restarts once the catalog can be written") func restartNeedsTheCatalog() throws {
    try showAnotherTopic()
    try catalog.database.execute("PRAGMA query_only = ON")
    try pump(reader) { saysThatItWaits() }
    try send("of the new topic")
    try pump(reader) { saysThatItWaits(2) }
    #expect(reader.waiting.isEmpty && !reader.isCaughtUp)
    #expect(try generation == 1)
    try catalog.database.execute("PRAGMA query_only = OFF")
    try pump(reader) { reader.waiting.count == 1 }
    #expect(try generation == 2)
  }

  @Test("partitions with unreadable positions are read later") func unreadablePositionsAreRetried() throws {
    try send("first")
    let catalog = try Catalog(in: scratch.makeFolder("another"), exclusive: false)
    var settings = Self.settings(cluster)
    settings.set("group.id", "another")
    let consumer = try KafkaConsumer(settings, topic: "images")
    defer { consumer.unsubscribeAndClose() }
    let events = ConsumerEvents(log: lines.log)
    let reader = try TopicReader(
      consumer: consumer, catalog: catalog, cluster: "c", topic: "images", events: events, log: lines.log)
    try catalog.database.execute("DELETE FROM topics")
    try catalog.database.execute("PRAGMA query_only = ON")
    try reader.subscribe()
    try pump(reader) { saysThatItWaits(2) }
    #expect(reader.waiting.isEmpty && !reader.isCaughtUp && reader.partitions == [0])
    #expect(events.health.report().reasons.contains { $0.hasPrefix("catalog: ") }, "\(events.health.report())")
    try catalog.database.execute("PRAGMA query_only = OFF")
    try pump(reader) { reader.waiting.count == 1 }
    #expect(!events.health.report().reasons.contains { $0.hasPrefix("catalog: ") })
  }

  /// A large image is read for so long that the group may be arranged anew meanwhile.
  @Test("partitions may be revoked during a transaction, which stays whole") func revocationKeepsTransaction() throws {
    #expect(try catalog.database.tryBegin())
    let other = try KafkaConsumer(Self.settings(cluster), topic: "images")
    defer { other.unsubscribeAndClose() }
    try other.subscribe()
    let stop = StopFlag()
    let deadline = Clock.monotonicMilliseconds + 60_000
    var isVoid = false
    while !isVoid, Clock.monotonicMilliseconds < deadline {
      _ = other.poll(maximum: 1, timeoutMilliseconds: 20)
      isVoid = !reader.keepAlive(stop)
    }
    #expect(isVoid, "what is being stored may be another consumer's by now")
    try catalog.set(Catalog.Position(next: 3, last: nil), reader.topic, partition: 0)
    try catalog.database.commit()
    // And again, with partitions to be placed.
    #expect(try catalog.database.tryBegin())
    while reader.partitions.isEmpty && other.assignment.isEmpty, Clock.monotonicMilliseconds < deadline {
      _ = other.poll(maximum: 1, timeoutMilliseconds: 20)
      _ = reader.keepAlive(stop)
    }
    try catalog.database.commit()
    #expect(!reader.partitions.isEmpty || !other.assignment.isEmpty)
    _ = try reader.pump(maximum: 1, timeoutMilliseconds: 0)
    #expect(try catalog.position(reader.topic, partition: 0)?.next == 3)
    #expect(try generation == 1)
  }
}
