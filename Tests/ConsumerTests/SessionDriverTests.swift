import TestSupport
import Testing

@testable import Consumer
@testable import Kafka
@testable import Output
@testable import Platform
@testable import SQLite
@testable import Telemetry

/// What a driver does with the client and the catalog when something happens at an awkward moment.
@Suite struct SessionDriverTests {
  private let scratch: TestFolder
  private let catalog: Catalog
  private let cluster: EmbeddedCluster
  private let consumer: KafkaConsumer
  private let driver: SessionDriver
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
    driver = try SessionDriver(
      consumer: consumer, positions: catalog, cluster: "c", topic: "images", commitRetry: .milliseconds(200),
      events: events,
      log: log)
    // What is done before may take its time.
    try #require(driver.waitedForAssignment == nil)
    try driver.subscribe()
    try #require(driver.waitedForAssignment != nil)
    let deadline = ContinuousClock.now + .seconds(30)
    while !driver.session.isCaughtUp, ContinuousClock.now < deadline {
      _ = try driver.pump(maximum: 10, timeout: .milliseconds(50))
    }
    try #require(driver.session.isCaughtUp)
    try #require(driver.waitedForAssignment == nil)
  }

  private static func settings(_ cluster: EmbeddedCluster) -> KafkaSettings {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    settings.set("group.id", "group")
    settings.set("session.timeout.ms", "4000")
    settings.set("heartbeat.interval.ms", "500")
    return settings
  }

  private var generation: Int64 { get throws { try catalog.generation(of: driver.session.topic) } }

  /// The partition ends before its beginning: so ends the one of another topic.
  private func showAnotherTopic() throws { try driver.handle(.endOfPartition(0, offset: -1)) }

  @Test("a re-created topic restarts with the next pump") func recreatedTopicRestarts() throws {
    try showAnotherTopic()
    _ = try driver.pump(maximum: 1, timeout: .zero)
    #expect(try generation == 2)
    _ = try driver.pump(maximum: 1, timeout: .zero)
    #expect(try generation == 2)
  }

  @Test("messages seen before a new assignment are ignored") func staleMessagesAreIgnored() throws {
    try showAnotherTopic()
    consumer.onRevoked?([0])
    _ = consumer.onAssigned?([0])
    _ = try driver.pump(maximum: 1, timeout: .zero)
    #expect(try generation == 1)
  }

  @Test("nothing restarts during a transaction") func transactionDelaysRestart() throws {
    try beginBatch()
    #expect(try catalog.database.tryBegin())
    try showAnotherTopic()
    let stop = StopFlag()
    #expect(!driver.keepAlive(stop), "what is being stored is the old topic's")
    try catalog.set(Catalog.Position(next: 3, last: nil), driver.session.topic, partition: 5)
    try catalog.database.commit()
    #expect(try generation == 1)
    try driver.endStoring(stop)
    #expect(try generation == 2)
  }

  /// Has one message stored, as far as its driver knows.
  private func beginBatch() throws {
    try send("a batch")
    try pump(driver) { driver.session.waiting.count == 1 }
    try #require(driver.begin(driver.handOut(1).ticket))
  }

  /// A question to the broker, which answers it after a fetch that itself waits for messages.
  @Test("a pending fetch is not awaited") func pendingFetchIsNotAwaited() throws {
    let begun = ContinuousClock.now
    for _ in 1...100 { driver.lag.inquiry.wakeFetchers(left: [0: 1_000]) }
    #expect(ContinuousClock.now - begun < .milliseconds(400))
  }

  @Test("a failed commit is repeated even if nothing else arrives") func failedCommitIsRepeated() throws {
    // Not authorized, for once.
    cluster.failNextRequests(api: 8, errors: [30])
    let deadline = ContinuousClock.now + .seconds(10)
    var committed: [Int32: Int64] = [:]
    while committed.isEmpty, ContinuousClock.now < deadline {
      driver.lookAtEnds()
      _ = try driver.pump(maximum: 10, timeout: .milliseconds(50))
      committed = try consumer.committed(partitions: [0], timeout: .seconds(5))
    }
    #expect(committed == [0: 0])
    #expect(lines.entries.events("kafka_error", ["error": "GROUP_AUTHORIZATION_FAILED"]).count == 1, "\(lines.all)")
  }

  @Test("a commit that fails at the end is reported") func failedLastCommitIsReported() throws {
    cluster.failNextRequests(api: 8, errors: [30])
    driver.commitAndWait(timeout: .seconds(10))
    #expect(lines.entries.hasEvent("commit_failed", ["error": "GROUP_AUTHORIZATION_FAILED"]), "\(lines.all)")
  }

  @Test("an offset that cannot be set is reported") func failedSeekIsReported() throws {
    // The session believes that it has this partition, and the client does not.
    _ = consumer.onAssigned?([0, 7])
    try driver.handle(.offsetOutOfRange(7, KafkaError(.init(rawValue: 1), "")))
    _ = try driver.pump(maximum: 1, timeout: .zero)
    #expect(lines.entries.hasEvent("seek_failed", ["partition": "7"]), "\(lines.all)")
    #expect(driver.session.state == .reading)
  }

  @Test("the lag is reported while messages wait and when they are stored") func lagIsReported() throws {
    for number in 0..<5 { try send("\(number)") }
    try pump(driver) { driver.session.waiting.count == 5 && events.now.lag == 5 }
    let batch = driver.handOut(3)
    #expect(batch.messages.count == 3)
    // That there is no more to come does not mean that all is stored.
    try pump(driver) { driver.session.partitions[0]?.state == .ended(at: 5) }
    #expect(driver.lag.lag(of: driver.session) == 5)
    #expect(driver.begin(batch.ticket))
    driver.stored([0: Catalog.Position(next: 3, last: batch.messages[2].mark)], leaving: .nothing)
    #expect(events.now.lag == 2)
  }

  @Test("messages before a batch that are not stored are read again") func batchOutOfOrder() throws {
    for number in 0..<4 { try send("\(number)") }
    try pump(driver) { driver.session.waiting.count == 4 }
    let (first, second) = (driver.handOut(2), driver.handOut(2))
    #expect(!driver.begin(second.ticket))
    #expect(lines.entries.hasEvent("batch_out_of_order"), "\(lines.all)")
    #expect(!driver.begin(first.ticket), "what is read again was handed out for nothing")
    try pump(driver) { driver.session.waiting.count == 4 }
    #expect(driver.begin(driver.handOut(2).ticket))
  }

  /// Nothing is fetched then, which is when it matters most.
  @Test("the lag is reported while a batch waits") func lagIsReportedWhileBatchWaits() throws {
    try beginBatch()
    let stop = StopFlag()
    #expect(driver.keepAlive(stop))
    for number in 1..<5 { try send("\(number)") }
    let deadline = ContinuousClock.now + .seconds(10)
    while events.now.lag != 5, ContinuousClock.now < deadline { #expect(driver.keepAlive(stop)) }
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
    let driver = try SessionDriver(
      consumer: consumer, positions: catalog, cluster: "c", topic: "images", events: events, log: own.log)
    try driver.subscribe()
    func reasons() -> [String] { events.health.report().reasons }
    try pump(driver) { reasons().contains { $0.contains("CONSUMER_GROUP") } }
    try pump(driver) { !driver.session.partitions.isEmpty }
    let error = ["error": "INCONSISTENT_GROUP_PROTOCOL"]
    #expect(own.entries.count { $0.fields["error"] == error["error"] } == 1, "\(own.all)")
    #expect(own.entries.hasEvent("kafka_error", error, naming: "CONSUMER_GROUP"), "\(own.all)")
    #expect(reasons() == [])
  }

  // MARK: A disk that is full

  /// Until `isDone`, with a bound; in the midst of it the catalog can be written again.
  private func pump(_ driver: SessionDriver, until isDone: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while try !isDone(), ContinuousClock.now < deadline {
      _ = try driver.pump(maximum: 10, timeout: .milliseconds(20))
    }
    #expect(try isDone(), "\(lines.all)")
  }

  private func saysThatItWaits(_ times: Int = 1) -> Bool {
    lines.entries.events("positions_unreadable").count { $0.number("retry_ms") != nil } >= times
  }

  private func send(_ text: String) throws {
    let producer = try KafkaProducer(Self.settings(cluster)) { _ in }
    defer { producer.close() }
    try Array(text.utf8).withUnsafeBytes {
      _ = try producer.send(topic: "images", key: $0, copying: $0, headers: [], token: 0)
    }
    #expect(producer.flush(timeout: .seconds(10)))
  }

  @Test("a re-created topic restarts once the catalog can be written") func restartNeedsTheCatalog() throws {
    try showAnotherTopic()
    try catalog.database.execute("PRAGMA query_only = ON")
    try pump(driver) { saysThatItWaits() }
    try send("of the new topic")
    try pump(driver) { saysThatItWaits(2) }
    #expect(driver.session.waiting.isEmpty && !driver.session.isCaughtUp)
    #expect(try generation == 1)
    try catalog.database.execute("PRAGMA query_only = OFF")
    try pump(driver) { driver.session.waiting.count == 1 }
    #expect(try generation == 2)
  }

  @Test("partitions with unreadable positions are read later") func unreadablePositionsAreRetried() throws {
    try positionsAreRetried { catalog in
      try catalog.database.execute("DELETE FROM topics")
      try catalog.database.execute("PRAGMA query_only = ON")
      return { try catalog.database.execute("PRAGMA query_only = OFF") }
    }
  }

  @Test("partitions whose positions are locked are read later") func lockedPositionsAreRetried() throws {
    try positionsAreRetried { catalog in
      // With a write-ahead log, no lock keeps a reader waiting for long.
      try catalog.database.execute("PRAGMA journal_mode = DELETE")
      let other = try Database(path: catalog.path, busyTimeout: .zero, exclusive: true)
      return { other.close() }
    }
  }

  /// - Parameter breaking: makes the positions unreadable, and returns a closure that makes them readable again.
  private func positionsAreRetried(breaking: (Catalog) throws -> () throws -> Void) throws {
    try send("first")
    let catalog = try Catalog(in: scratch.makeFolder("another"), exclusive: false)
    var settings = Self.settings(cluster)
    settings.set("group.id", "another")
    let consumer = try KafkaConsumer(settings, topic: "images")
    defer { consumer.unsubscribeAndClose() }
    let events = ConsumerEvents(log: lines.log)
    let driver = try SessionDriver(
      consumer: consumer, positions: catalog, cluster: "c", topic: "images", events: events, log: lines.log)
    let repair = try breaking(catalog)
    try driver.subscribe()
    try pump(driver) { saysThatItWaits(2) }
    #expect(
      driver.session.waiting.isEmpty && !driver.session.isCaughtUp && driver.session.partitions.keys.sorted() == [0])
    #expect(events.health.report().reasons.contains { $0.hasPrefix("catalog: ") }, "\(events.health.report())")
    try repair()
    try pump(driver) { driver.session.waiting.count == 1 }
    #expect(!events.health.report().reasons.contains { $0.hasPrefix("catalog: ") })
  }

  /// Reading a large image takes long enough for a rebalance.
  @Test("partitions may be revoked during a transaction, which stays whole") func revocationKeepsTransaction() throws {
    try beginBatch()
    #expect(try catalog.database.tryBegin())
    let stop = StopFlag()
    let deadline = ContinuousClock.now + .seconds(60)
    do {
      let other = try KafkaConsumer(Self.settings(cluster), topic: "images")
      defer { other.unsubscribeAndClose() }
      try other.subscribe()
      var isVoid = false
      while !isVoid, ContinuousClock.now < deadline {
        _ = other.poll(maximum: 1, timeout: .milliseconds(20))
        isVoid = !driver.keepAlive(stop)
      }
      #expect(isVoid, "what is being stored may be another consumer's by now")
    }
    // The other one has left, so the partition comes back. It is placed when the transaction has ended.
    while driver.session.partitions.isEmpty, ContinuousClock.now < deadline { #expect(!driver.keepAlive(stop)) }
    #expect(driver.session.partitions.keys.sorted() == [0] && driver.session.state != .reading)
    try catalog.set(Catalog.Position(next: 3, last: nil), driver.session.topic, partition: 0)
    try catalog.database.commit()
    try driver.endStoring(stop)
    #expect(driver.session.state == .reading)
    #expect(driver.session.partitions[0]?.stored?.next == 3)
    _ = try driver.pump(maximum: 1, timeout: .zero)
    #expect(try catalog.position(driver.session.topic, partition: 0)?.next == 3)
    #expect(try generation == 1)
  }

  @Test("partitions assigned during a transaction continue where it ends") func assignmentAfterTransaction() throws {
    for number in 0..<4 { try send("\(number)") }
    try pump(driver) { driver.session.waiting.count == 4 }
    let batch = driver.handOut(3)
    #expect(driver.begin(batch.ticket))
    #expect(try catalog.database.tryBegin())
    let stop = StopFlag()
    #expect(driver.keepAlive(stop))
    // It leaves and comes back, as after a time-out of the group.
    try consumer.assign([0])
    #expect(driver.session.state != .reading && !driver.keepAlive(stop))
    let position = Catalog.Position(next: 3, last: batch.messages[2].mark)
    try catalog.set(position, driver.session.topic, partition: 0)
    try catalog.database.commit()
    driver.stored([0: position], leaving: .nothing)
    try driver.endStoring(stop)
    #expect(driver.session.partitions[0]?.stored == position)
    try pump(driver) { driver.session.waiting.messages.map(\.offset) == [3] }
  }
}
