import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite
@testable import Wire

/// The receipts that a consumer sends.
@Suite(.ownThread) struct ReceiptSendingTests {
  private let folder = TestFolder()

  private var rowsLeft: Int64 {
    get throws {
      let catalog = try Database(reading: folder / "\(TestFolder.output)/.image-pipeline/catalog.sqlite")
      return try catalog.prepare("SELECT count(*) FROM receipts").first { $0.integer(0) } ?? -1
    }
  }

  @Test("each message is confirmed with its outcome") func messagesAreConfirmed() throws {
    let broker = try Broker.preferred(partitions: 3)
    let images = sampleImages(20)
    let large = SeededNumbers.bytes(5_000, seed: 1)
    var messages = images.map { TestMessage.image($0.key, $0.value) }
    messages += TestMessage.segments("large.png", large, size: 1_500)
    messages += [.text("poison", key: "bad.jpg")]
    try broker.send(messages)
    _ = try Program.storeAll(in: folder, broker)
    var expected: [String: [Receipt.Outcome]] = ["large.png": [.stored]]
    for name in images.keys { expected[name] = [.stored] }
    expected["bad.jpg"] = [.deadLetter(reason: "EnvelopeError")]
    #expect(try broker.confirmed() == expected)
    let receipts = try broker.receipts()
    #expect(Set(receipts.map(\.output)).count == 1 && receipts.allSatisfy { $0.topic == broker.topic })
    for (partition, range) in try broker.ranges(broker.topic) {
      #expect(receipts.gaps(in: partition, upTo: range.upperBound) == [])
    }
    let confirmed = try #require(receipts.flatMap(\.images).first { $0.name == "large.png" })
    #expect(confirmed.digest == large.withUnsafeBytes { SHA256.hash($0) } && confirmed.length == large.count)
    #expect(try rowsLeft == 0)
    // Sent again, they are there already.
    try broker.send(messages)
    _ = try Program.storeAll(in: folder, broker)
    for name in images.keys { expected[name] = [.stored, .unchanged] }
    expected["large.png"] = [.stored, .unchanged]
    #expect(try broker.confirmed() == expected)
  }

  @Test("RECEIPTS=off confirms nothing") func offConfirmsNothing() throws {
    let broker = try Broker.preferred()
    try broker.send([.image("a.jpg", [1])])
    _ = try Program.storeAll(in: folder, broker, ["RECEIPTS": "off"])
    #expect(try rowsLeft == 0)
    #expect(try broker.messageCount(broker.receiptsTopic) == 0)
  }

  /// The receipts of its images may have been lost.
  @Test("a consumer reports at its start how far quiet partitions are stored") func quietPartitionsAreReported() throws
  {
    let broker = try Broker.preferred()
    try broker.send([.image("a.jpg", [1]), .image("b.jpg", [2])])
    _ = try Program.storeAll(in: folder, broker, ["RECEIPTS": "off"])
    _ = try Program.storeAll(in: folder, broker)
    #expect(try broker.receipts().map(\.offsets) == [0..<2] && broker.confirmed().isEmpty)
    #expect(try rowsLeft == 0)
  }

  @Test("receipts of a consumer that is gone are sent by another one") func deadConsumersReceiptsArrive() throws {
    let broker = try Broker.preferred(partitions: 2)
    let images = sampleImages(20)
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { consumer.assignments > 0 }, "\(consumer.output)")
    let victim = try Program(
      ["consumer"], in: folder, environment: broker.environment(["FAULT_POINT": "transactionCommitted"]))
    #expect(eventually { victim.assignments > 0 && consumer.assignments > 1 }, "\(victim.output)")
    try broker.send(images.map { .image($0.key, $0.value) })
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    #expect(
      eventually { try Set(broker.confirmed().keys) == Set(images.keys) }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    #expect(try rowsLeft == 0)
    let receipts = try broker.receipts()
    for (partition, range) in try broker.ranges(broker.topic) {
      #expect(receipts.gaps(in: partition, upTo: range.upperBound) == [])
    }
  }

  @Test("receipts in a slot that a consumer of another topic has taken are sent", arguments: ["on", "off"])
  func anotherTopicsSlotIsEmptied(receipts: String) throws {
    let broker = try Broker.preferred()
    try broker.send([.image("a.jpg", [1])])
    let victim = try Program(
      ["consumer"], in: folder, environment: broker.environment(["FAULT_POINT": "transactionCommitted"]))
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    let other = try Program(
      ["consumer"], in: folder,
      environment: broker.environment(
        ["TOPIC": broker.topic + "-other", "CONSUMER_GROUP": "another", "RECEIPTS": receipts]))
    #expect(eventually { other.assignments > 0 }, "\(other.output)")
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { try broker.confirmed() == ["a.jpg": [.stored]] }, "\(consumer.output)")
    for program in [other, consumer] { #expect(program.terminate() == 0, "\(program.output)") }
    #expect(try rowsLeft == 0)
  }

  @Test("receipts that the broker refuses delay nothing and arrive later") func refusedReceiptsArriveLater() throws {
    let broker = try Broker()
    try broker.send([.image("a.jpg", [1])])
    // TOPIC_AUTHORIZATION_FAILED
    broker.failNextRequests(api: 0, errors: Array(repeating: 29, count: 1_000))
    let consumer = try Program.storeAll(in: folder, broker)
    #expect(consumer.stored == 1)
    let trouble = consumer.events("receipts_waiting", ["error": "TOPIC_AUTHORIZATION_FAILED"])
    #expect(trouble.first?.number("waiting") == 1, "\(consumer.output)")
    broker.clearFailures(api: 0)
    #expect(try rowsLeft == 1)
    _ = try Program.storeAll(in: folder, broker)
    #expect(try broker.confirmed() == ["a.jpg": [.stored]])
    #expect(try rowsLeft == 0)
  }

  @Test("receipts are counted") func receiptsAreCounted() throws {
    let broker = try Broker.preferred()
    let page = StatusPage(port: try StatusPage.freePort())
    let consumer = try Program(
      ["consumer"], in: folder,
      environment: broker.environment(["HTTP_PORT": "\(page.port)", "HTTP_ADDRESS": "127.0.0.1"]))
    try broker.send([.image("a.jpg", [1])])
    #expect(eventually { page.value("image_pipeline_receipts_sent_total") == 1 }, "\(consumer.output)")
    #expect(eventually { page.value("image_pipeline_receipts_waiting") == 0 })
    #expect(consumer.terminate() == 0, "\(consumer.output)")
  }
}

/// Topics that are deleted or shortened, which needs a real broker.
@Suite(.ownThread, .enabled("no Apache Kafka is named") { Broker.realServers != nil }) struct ReceiptTopicTests {
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

  @Test("a deleted topic of receipts is created again") func deletedTopicIsRecreated() throws {
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try broker.send([.image("a.jpg", [1])])
    #expect(eventually { try broker.messageCount(broker.receiptsTopic) == 1 }, "\(consumer.output)")
    #expect(try client.deleteTopic(broker.receiptsTopic, timeout: .seconds(30)))
    try broker.send([.image("b.jpg", [2])])
    let isConfirmed = eventually(within: .seconds(90)) {
      let count = try client.partitionCount(of: broker.receiptsTopic, timeout: .seconds(10))
      return try count != nil && broker.confirmed() == ["b.jpg": [.stored]]
    }
    #expect(isConfirmed, "\(consumer.output)")
    #expect(folder.rows.count == 2)
    #expect(consumer.terminate() == 0, "\(consumer.output)")
  }

  @Test("the topic of receipts has one partition and a week's retention") func topicIsCreated() throws {
    try broker.send([.image("a.jpg", [1])])
    _ = try Program.storeAll(in: folder, broker)
    #expect(try client.partitionCount(of: broker.receiptsTopic, timeout: .seconds(10)) == 1)
    let settings = try client.topicSettings(broker.receiptsTopic, timeout: .seconds(10))
    #expect(settings["retention.ms"] == "604800000" && settings["cleanup.policy"] == "delete")
  }

  private func send(_ names: Range<Int>) throws { try broker.send(names.map { .image("\($0).jpg", [UInt8($0)]) }) }

  private func expire(before offset: Int64) throws {
    try client.deleteRecords(of: broker.topic, partition: 0, before: offset, timeout: .seconds(30))
  }

  @Test("messages that expired are confirmed as lost with the next image") func expiredMessagesAreConfirmed() throws {
    try send(0..<8)
    try expire(before: 2)
    _ = try Program.storeAll(in: folder, broker)
    try send(8..<15)
    try expire(before: 12)
    _ = try Program.storeAll(in: folder, broker)
    #expect(try broker.receipts().map(\.offsets) == [0..<8, 8..<15])
    #expect(try broker.receipts().map(\.lost) == [[0..<2], [8..<12]])
    #expect(try broker.confirmed().count == 9)
  }

  @Test("messages that expired are confirmed as lost even if nothing follows them", arguments: [0, 3])
  func emptiedTopicIsConfirmed(stored: Int) throws {
    try send(0..<stored)
    if stored > 0 { _ = try Program.storeAll(in: folder, broker) }
    try send(stored..<8)
    try expire(before: 8)
    _ = try Program.storeAll(in: folder, broker, idle: "1")
    let receipt = try #require(try broker.receipts().last)
    #expect(receipt.offsets == Int64(stored)..<8 && receipt.lost == [Int64(stored)..<8])
    let said = try broker.receipts().count
    // The next image passes them once more.
    try send(8..<9)
    _ = try Program.storeAll(in: folder, broker)
    let next = try #require(try broker.receipts().dropFirst(said).last)
    #expect(next.offsets == Int64(stored)..<9 && next.images.map(\.name) == ["8.jpg"])
  }
}
