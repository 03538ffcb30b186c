import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite

/// Topics that are re-created, shortened or compacted. Needs a real broker: the embedded one deletes and compacts
/// nothing.
@Suite(.ownThread, .enabled("no Apache Kafka is named") { Broker.realServers != nil }) struct TopicFaultTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let client: KafkaProducer

  init() throws {
    broker = try Broker.preferred()
    var settings = broker.settings()
    // Asking for the topic would create it.
    settings.set("allow.auto.create.topics", "false")
    client = try KafkaProducer(settings) { _ in }
  }

  private func images(_ generation: Int, _ number: Int) -> [(String, [UInt8])] {
    (0..<number).map { ("\(generation)/\($0).jpg", SeededNumbers.bytes(300, seed: UInt64(generation * 1_000 + $0))) }
  }

  private func send(_ images: [(String, [UInt8])]) throws { try broker.send(images.map { .image($0.0, $0.1) }) }

  private func recreateTopic(partitions: Int32 = 1) throws {
    #expect(try client.deleteTopic(broker.topic, timeout: .seconds(30)))
    #expect(try client.createTopic(broker.topic, partitions: partitions, timeout: .seconds(30)))
  }

  private func all(_ images: [(String, [UInt8])]...) -> [String: [UInt8]] {
    Dictionary(uniqueKeysWithValues: images.flatMap { $0 })
  }

  // MARK: Re-created topics

  @Test("a topic re-created while no consumer runs is read from its beginning", arguments: [3, 5, 9])
  func topicRecreatedWhileIdle(count: Int) throws {
    let (old, new) = (images(1, 5), images(2, count))
    try send(old)
    _ = try Program.storeAll(in: folder, broker)
    try recreateTopic()
    try send(new)
    #expect(try Program.storeAll(in: folder, broker).hasEvent("topic_recreated"))
    try expectStored(all(old, new), in: folder)
  }

  @Test("a topic re-created under a running consumer is read from its beginning", arguments: [3, 5, 9])
  func topicRecreatedAtRunTime(count: Int) throws {
    let (old, new) = (images(1, 5), images(2, count))
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try send(old)
    #expect(eventually { folder.rows.count == 5 }, "\(consumer.output)")
    try recreateTopic()
    try send(new)
    #expect(
      eventually(within: .seconds(60)) { folder.rows.count == 5 + count }, "\(folder.rowNames) \(consumer.output)")
    #expect(consumer.hasEvent("topic_recreated"), "\(consumer.output)")
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    try expectStored(all(old, new), in: folder)
  }

  /// The numbers of partitions before and after, and of images after.
  private static let changes: [(Int32, Int32, Int)] = [(1, 3, 24), (3, 1, 24), (3, 3, 24), (3, 3, 1), (3, 2, 2)]

  @Test("a topic may be re-created with other partitions while no consumer runs", arguments: changes)
  func partitionsChangedWhileIdle(before: Int32, after: Int32, count: Int) throws {
    let (old, new) = (images(1, 24), images(2, count))
    try recreateTopic(partitions: before)
    try send(old)
    _ = try Program.storeAll(in: folder, broker)
    try recreateTopic(partitions: after)
    try send(new)
    let said = try Program.storeAll(in: folder, broker).output
    #expect(said.log.events("topic_recreated").count == 1, "\(said)")
    try expectStored(all(old, new), in: folder)
    #expect(try Program.storeAll(in: folder, broker).stored == 0)
  }

  @Test("a topic may be re-created with other partitions under a running consumer", arguments: changes)
  func partitionsChangedAtRunTime(before: Int32, after: Int32, count: Int) throws {
    let (old, new) = (images(1, 24), images(2, count))
    try recreateTopic(partitions: before)
    // New partitions are looked for every five minutes; a missing topic is noticed sooner.
    let environment = broker.environment(["KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS": "2000"])
    let consumer = try Program(["consumer"], in: folder, environment: environment)
    try send(old)
    #expect(eventually { folder.rows.count == 24 }, "\(consumer.output)")
    try recreateTopic(partitions: after)
    try send(new)
    #expect(
      eventually(within: .seconds(60)) { folder.rows.count == 24 + count }, "\(folder.rowNames) \(consumer.output)")
    #expect(consumer.hasEvent("topic_recreated"), "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    try expectStored(all(old, new), in: folder)
    #expect(try Program.storeAll(in: folder, broker).stored == 0)
  }

  // MARK: Messages that are gone

  @Test("messages that expire before a running consumer stores them are counted, with the fix")
  func expiryAtRunTimeIsCounted() throws {
    let (old, lost, rest) = (images(1, 3), images(2, 4), images(3, 5))
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try send(old)
    #expect(eventually { folder.rows.count == 3 }, "\(consumer.output)")
    // It fetches nothing while another consumer holds the lock.
    let catalog = try Database(
      path: folder.path + "/" + TestFolder.output + "/.image-pipeline/catalog.sqlite",
      busyTimeout: .seconds(1))
    #expect(eventually { try catalog.tryBegin() })
    let held = [("held.jpg", SeededNumbers.bytes(300, seed: 9))]
    try send(held)
    #expect(eventually { consumer.hasEvent("catalog_locked") }, "\(consumer.output)")
    try send(lost)
    try send(rest)
    try client.deleteRecords(of: broker.topic, partition: 0, before: 8, timeout: .seconds(30))
    catalog.rollback()
    #expect(eventually { folder.rows.count == 9 }, "\(consumer.output)")
    let said = consumer.output
    let loss = try #require(
      said.log.events("messages_lost", ["messages": "4", "from": "4", "to": "7"]).first, "\(said)")
    #expect(loss.fields["fix"]?.contains("retention.ms") == true)
    #expect(!said.log.hasEvent("topic_recreated"), "\(said)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    try expectStored(all(old, held, rest), in: folder)
    #expect(try !Program.storeAll(in: folder, broker).hasEvent("messages_lost"))
  }

  @Test("messages that expired before the first consumer are counted", arguments: [3, 8])
  func expiryBeforeStartIsCounted(before: Int64) throws {
    let all = images(1, 8)
    try send(all)
    try client.deleteRecords(of: broker.topic, partition: 0, before: before, timeout: .seconds(30))
    let said = try Program.storeAll(in: folder, broker).output
    #expect(said.log.hasEvent("beginning_removed", ["first_offset": "\(before)"]), "\(said)")
    #expect(!said.log.contains { $0.event == "topic_recreated" || $0.level == "error" }, "\(said)")
    try expectStored(self.all(Array(all.dropFirst(Int(before)))), in: folder)
    guard before < 8 else { return }
    #expect(try !Program.storeAll(in: folder, broker).hasEvent("beginning_removed"))
  }

  @Test("messages that expired between two runs are counted, with the fix") func expiryBetweenRunsIsCounted() throws {
    let (old, lost, rest) = (images(1, 3), images(2, 4), images(3, 5))
    try send(old)
    _ = try Program.storeAll(in: folder, broker)
    try send(lost)
    try send(rest)
    try client.deleteRecords(of: broker.topic, partition: 0, before: 7, timeout: .seconds(30))
    let said = try Program.storeAll(in: folder, broker).output
    let loss = try #require(
      said.log.events("messages_lost", ["messages": "4", "from": "3", "to": "6"]).first, "\(said)")
    #expect(loss.fields["fix"]?.contains("retention.ms") == true)
    try expectStored(all(old, rest), in: folder)
    #expect(try !Program.storeAll(in: folder, broker).hasEvent("messages_lost"))
  }

  @Test("messages that may have expired before a catalog was rebuilt are counted") func expiryBeforeRepairIsCounted()
    throws
  {
    let (old, lost, rest) = (images(1, 3), images(2, 4), images(3, 5))
    try send(old)
    _ = try Program.storeAll(in: folder, broker)
    try folder.remove(TestFolder.output + "/.image-pipeline")
    #expect(try Program(["repair"], in: folder).exitCode() == 0)
    try send(lost)
    try send(rest)
    try client.deleteRecords(of: broker.topic, partition: 0, before: 7, timeout: .seconds(30))
    let said = try Program.storeAll(in: folder, broker).output
    let loss = ["messages": "4", "from": "3", "to": "6"]
    #expect(said.log.events("messages_maybe_lost", loss).count == 1, "\(said)")
    try expectStored(all(old, rest), in: folder)
  }

  @Test("messages that expired after they were stored are no loss") func expiryAfterStoringIsNoLoss() throws {
    let (old, rest) = (images(1, 6), images(2, 3))
    try send(old)
    _ = try Program.storeAll(in: folder, broker)
    try send(rest)
    try client.deleteRecords(of: broker.topic, partition: 0, before: 6, timeout: .seconds(30))
    let said = try Program.storeAll(in: folder, broker).output
    #expect(!said.log.contains { ["messages_lost", "topic_recreated"].contains($0.event) }, "\(said)")
    try expectStored(all(old, rest), in: folder)
  }

  @Test("a topic whose messages have all expired is the same topic") func emptiedTopicIsTheSame() throws {
    let (old, rest) = (images(1, 6), images(2, 3))
    try send(old)
    _ = try Program.storeAll(in: folder, broker)
    try client.deleteRecords(of: broker.topic, partition: 0, before: 6, timeout: .seconds(30))
    #expect(try !Program.storeAll(in: folder, broker).hasEvent("topic_recreated"))
    try send(rest)
    #expect(try !Program.storeAll(in: folder, broker).hasEvent("topic_recreated"))
    try expectStored(all(old, rest), in: folder)
  }

  @Test("gaps in a compacted topic are no loss") func compactionGapsAreNoLoss() throws {
    #expect(try client.deleteTopic(broker.topic, timeout: .seconds(30)))
    let settings = [
      "cleanup.policy": "compact", "segment.bytes": "1048576", "segment.ms": "100",
      "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "100", "delete.retention.ms": "0",
    ]
    #expect(
      try client.createTopic(broker.topic, partitions: 1, settings: settings, timeout: .seconds(30)))
    let first = images(1, 8)
    try send(first)
    _ = try Program.storeAll(in: folder, broker)
    // Newer versions of all but one. Compaction removes the older ones, the last stored message among them.
    let newer = first.dropFirst().map { ($0.0, SeededNumbers.bytes(200, seed: UInt64($0.1[0]) + 7)) }
    for round in 0..<2 { try send(newer.map { ($0.0, $0.1 + [UInt8(round)]) }) }
    var next = 0
    let isCompacted = eventually(within: .seconds(120)) {
      // Only closed log segments are compacted, and the next message closes one.
      next += 1
      try broker.send([.image("filler.jpg", [UInt8(next % 256)])])
      pause(.milliseconds(200))
      let left = try broker.messages(broker.topic)
      return !left.contains { (1...14).contains($0.offset) }
    }
    #expect(isCompacted)
    let said = try Program.storeAll(in: folder, broker).output
    #expect(!said.log.contains { ["messages_lost", "topic_recreated"].contains($0.event) }, "\(said)")
    var expected = Dictionary(uniqueKeysWithValues: newer.map { ($0.0, $0.1 + [1]) })
    expected[first[0].0] = first[0].1
    expected["filler.jpg"] = [UInt8(next % 256)]
    #expect(try folder.files(TestFolder.output) == expected.keys.sorted())
    expectBytes(expected, in: folder, TestFolder.output)
    // A new output, too, which starts in the middle of it.
    try folder.remove(TestFolder.output)
    try folder.remove(TestFolder.csv)
    #expect(try !Program.storeAll(in: folder, broker).hasEvent("messages_lost"))
    #expect(try folder.files(TestFolder.output) == expected.keys.sorted())
    expectBytes(expected, in: folder, TestFolder.output)
  }
}
