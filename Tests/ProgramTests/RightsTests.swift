import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import Wire

/// The rights that each side needs on a broker that denies everything by default.
@Suite(.ownThread, .securedBroker) struct RightsTests {
  private let folder = TestFolder()
  private let topic = Broker.newTopic()
  private let secured: SecuredBroker
  private let client: KafkaProducer

  init() throws {
    secured = try SecuredBroker()
    client = try secured.operatorClient()
    try folder.write("images/a.jpg", [1, 2, 3])
  }

  private func makeTopic() throws {
    _ = try client.createTopic(topic, partitions: 1, timeout: .seconds(30))
  }

  private func allow(_ operation: KafkaClient.Operation, on resource: KafkaClient.Resource? = nil) throws {
    try secured.allow(operation, on: resource ?? .topic(topic), as: client)
  }

  /// Allows the user to write to a topic that no test uses. A right to write to any topic gives a producer its id:
  /// without one, that would be what is missing first.
  private func allowSomeWriting() throws { try allow(.write, on: .topic(topic + "-other")) }

  /// Sends as a user with all rights.
  private func send(_ messages: [TestMessage]) throws { try secured.broker(.tls, topic: topic).send(messages) }

  private func stranger() throws -> Broker { try secured.broker(.plain, .stranger, topic: topic) }

  private func run(
    _ command: [String], _ more: [String: String] = [:], code: Int32,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let program = try Program(command, in: folder, environment: stranger().environment(more))
    #expect(program.exitCode() == code, "\(program.output)", sourceLocation: sourceLocation)
    return program.output
  }

  private func expectWord(
    _ operation: String, _ option: String, in output: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let word = "kafka-acls --add --allow-principal User:stranger --operation \(operation) \(option)"
    #expect(output.log.contains { $0.message.contains(word) }, "\(output)", sourceLocation: sourceLocation)
  }

  // MARK: Producer

  @Test("a producer needs only the right to write") func producerNeedsOnlyWrite() throws {
    try makeTopic()
    try allow(.write)
    for expected in [1, 0] {
      let output = try run(["producer", "--once"], code: 0)
      #expect(output.log.sent == expected, "\(output)")
      #expect(!output.contains("kafka-acls"), "what it can do without is not asked for aloud: \(output)")
    }
    #expect(try secured.broker(.tls, topic: topic).messages(topic).count == 1)
  }

  @Test("a producer without the right to write names it") func missingWriteRightIsNamed() throws {
    try makeTopic()
    try allow(.describe)
    try allowSomeWriting()
    expectWord("Write", "--topic \(topic)", in: try run(["producer", "--once"], code: 1))
  }

  @Test("a producer continues once it may write") func producerContinuesOnceAllowed() throws {
    try makeTopic()
    try allow(.describe)
    let producer = try Program(["producer"], in: folder, environment: stranger().environment())
    #expect(eventually { producer.output.contains("kafka-acls") }, "\(producer.output)")
    try allow(.write)
    let content = try TopicContent(secured.broker(.tls, topic: topic))
    #expect(eventually(within: .seconds(60)) { try content.names() == ["a.jpg"] }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(producer.sent == 1, "\(producer.output)")
  }

  // MARK: Consumer

  @Test("a consumer needs only the rights to read topic and group") func consumerNeedsOnlyRead() throws {
    try makeTopic()
    try send([.image("a.jpg", [1, 2, 3])])
    try allow(.read)
    try allow(.read, on: .group(stranger().group))
    let output = try run(["consumer", "--until-idle", "0.3"], ["RECEIPTS": "off"], code: 0)
    #expect(!output.contains("kafka-acls"), "what it can do without is not asked for aloud: \(output)")
    try expectStored(["a.jpg": [1, 2, 3]], in: folder)
  }

  @Test("a consumer without the right to send receipts names it, stores, and sends them once allowed")
  func missingReceiptRightIsNamed() throws {
    try makeTopic()
    try send([.image("a.jpg", [1, 2, 3])])
    try allow(.read)
    try allow(.read, on: .group(stranger().group))
    try allowSomeWriting()
    let broker = try secured.broker(.tls, topic: topic)
    let consumer = try Program(["consumer"], in: folder, environment: stranger().environment())
    #expect(eventually { consumer.hasEvent("receipts_waiting") }, "\(consumer.output)")
    expectWord("Write", "--topic \(broker.receiptsTopic)", in: consumer.output)
    try expectStored(["a.jpg": [1, 2, 3]], in: folder)
    try allow(.write, on: .topic(broker.receiptsTopic))
    let word = "--operation Create --topic \(broker.receiptsTopic)"
    #expect(eventually { consumer.hasEvent("receipts_waiting", naming: word) }, "\(consumer.output)")
    try allow(.create, on: .topic(broker.receiptsTopic))
    #expect(eventually { try broker.confirmed() == ["a.jpg": [.stored]] }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
  }

  @Test("a consumer without the right to read names it and waits", arguments: [true, false])
  func missingReadRightIsAwaited(isOfGroup: Bool) throws {
    try makeTopic()
    try send([.image("a.jpg", [1, 2, 3])])
    let group = try stranger().group
    try allow(.describe)
    try allow(.read, on: isOfGroup ? .topic(topic) : .group(group))
    let consumer = try Program(["consumer"], in: folder, environment: stranger().environment())
    let option = isOfGroup ? "--group \(group)" : "--topic \(topic)"
    #expect(eventually { consumer.output.contains("--operation Read \(option)") }, "\(consumer.output)")
    expectWord("Read", option, in: consumer.output)
    try allow(.read, on: isOfGroup ? .group(group) : .topic(topic))
    #expect(eventually(within: .seconds(60)) { folder.rows.count == 1 }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    try expectStored(["a.jpg": [1, 2, 3]], in: folder)
  }

  @Test("dead letters go to disk if their topic may not be created") func forbiddenLettersGoToDisk() throws {
    try makeTopic()
    try send([.text("poison"), .image("a.jpg", [1, 2, 3])])
    try allow(.read)
    try allow(.read, on: .group(stranger().group))
    let output = try run(["consumer", "--until-idle", "0.3"], code: 0)
    #expect(output.log.hasEvent("topic_size_unknown", ["topic": topic]), "\(output)")
    #expect(output.log.hasEvent("dead_letter_topic_failed"), "\(output)")
    expectWord("Create", "--topic \(topic)-dlq", in: output)
    #expect(output.log.summary?.number("dead_letters") == 1, "\(output)")
    let letters = try Folder.open(folder.path + "/" + TestFolder.output + "/.image-pipeline/dead-letters").names()
    #expect(letters.count { $0.hasSuffix(".letter") } == 1, "\(letters)")
    try expectStored(["a.jpg": [1, 2, 3]], in: folder)
  }

  @Test("dead letters are sent, listed and replayed with the rights for it") func allowedLettersAreReplayed() throws {
    try makeTopic()
    try send([.text("poison")])
    let letters = topic + "-dlq"
    _ = try client.createTopic(letters, partitions: 1, timeout: .seconds(30))
    let group = try stranger().group
    for (operation, resource) in [
      (KafkaClient.Operation.read, KafkaClient.Resource.topic(topic)), (.read, .group(group)),
      (.write, .topic(letters)),
    ] { try allow(operation, on: resource) }
    let stored = try run(["consumer", "--until-idle", "0.3"], code: 0)
    #expect(stored.log.hasEvent("message_dead_lettered", ["stored_in": letters]), "\(stored)")
    #expect(try secured.broker(.tls, topic: topic).messages(letters).count == 1)
    #expect(try run(["messages"], code: 0).contains("offset=0"))
    expectWord("Read", "--group \(group)-dead-letters", in: try run(["dead-letters"], code: 1))
    try allow(.read, on: .group(group + "-dead-letters"))
    expectWord("Read", "--topic \(letters)", in: try run(["dead-letters"], code: 1))
    try allow(.read, on: .topic(letters))
    #expect(try run(["dead-letters", "--json"], code: 0).results.last?.number("total") == 1)
    expectWord("Write", "--topic \(topic)", in: try run(["dead-letters", "--replay"], code: 1))
    try allow(.write)
    #expect(try run(["dead-letters", "--replay", "--json"], code: 0).results.last?.number("sent_back") == 1)
  }

  // MARK: Both

  private static let sides = [["producer", "--once"], ["consumer", "--until-idle", "0.3"]]

  @Test("a user who may not see the topic is told so", arguments: sides)
  func hiddenTopicIsReported(side: [String]) throws {
    try makeTopic()
    expectWord("Describe", "--topic \(topic)", in: try run(side, code: 1))
  }

  @Test("a user who may not create the topic is told so", arguments: sides)
  func missingCreateRightIsNamed(side: [String]) throws {
    try allow(.describe)
    // A producer without any right to write is refused before that.
    try allow(.write)
    expectWord("Create", "--topic \(topic)", in: try run(side, code: 1))
  }

  @Test("a side without the right to re-create a deleted topic names it and continues once allowed", arguments: sides)
  func recreationNeedsCreateRight(side: [String]) throws {
    try makeTopic()
    let isProducer = side[0] == "producer"
    try allow(isProducer ? .write : .read)
    try allow(.read, on: .group(stranger().group))
    if !isProducer { try send([.image("a.jpg", [1, 2, 3])]) }
    let program = try Program([side[0]], in: folder, environment: stranger().environment(["LOG_LEVEL": "debug"]))
    let hasBegun = eventually {
      isProducer ? program.hasEvent("image_sent", ["image": "a.jpg"]) : folder.rows.count == 1
    }
    #expect(hasBegun, "\(program.output)")
    #expect(try client.deleteTopic(topic, timeout: .seconds(30)))
    try folder.write("images/b.jpg", [4])
    let isNamed = eventually(within: .seconds(10)) {
      program.hasEvent("topic_missing", ["topic": topic], naming: "--operation Create")
    }
    #expect(isNamed, "\(program.output)")
    expectWord("Create", "--topic \(topic)", in: program.output)
    try allow(.create)
    let isThere = eventually(within: .seconds(60)) {
      try client.partitionCount(of: topic, timeout: .seconds(5)) != nil
    }
    #expect(isThere, "\(program.output)")
    if isProducer {
      #expect(eventually { program.hasEvent("image_sent", ["image": "b.jpg"]) }, "\(program.output)")
    } else {
      try send([.image("b.jpg", [4])])
      #expect(eventually { folder.rows.count == 2 }, "\(program.output)")
    }
    #expect(program.terminate() == 0, "\(program.output)")
  }

  @Test("a user with the right to create the topic creates it") func createRightCreatesTopic() throws {
    for operation in [KafkaClient.Operation.create, .write] { try allow(operation) }
    let output = try run(["producer", "--once"], code: 0)
    #expect(output.log.hasEvent("topic_created") && output.log.sent == 1, "\(output)")
  }
}
