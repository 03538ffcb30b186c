import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// A topic that is deleted under running sides is re-created. Needs a real broker: the embedded one deletes nothing.
@Suite(.ownThread, .enabled("no Apache Kafka is named") { Broker.realServers != nil }) struct TopicRestorationTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let client: KafkaProducer
  /// The bound from the deletion to the next image.
  private static let mark = Duration.seconds(10)

  init() throws {
    broker = try Broker.preferred(partitions: 3)
    var settings = broker.settings()
    // Asking for the topic would create it.
    settings.set("allow.auto.create.topics", "false")
    client = try KafkaProducer(settings) { _ in }
    try folder.makeFolder("images")
  }

  /// With default settings: librdkafka checks the topic every 30 s.
  private func start(_ side: String) throws -> Program {
    try Program([side], in: folder, environment: broker.environment(["TOPIC_PARTITIONS": "3", "LOG_LEVEL": "debug"]))
  }

  private func delete() throws { #expect(try client.deleteTopic(broker.topic, timeout: .seconds(30))) }

  private var partitions: Int? { (try? client.partitionCount(of: broker.topic, timeout: .seconds(5))) ?? nil }

  @Test("two running sides store an image within 10 s of the topic's deletion") func bothSidesHeal() throws {
    let consumer = try start("consumer")
    let producer = try start("producer")
    let before = sampleImages(6)
    for (name, bytes) in before { try folder.write("images/" + name, bytes) }
    #expect(eventually { folder.rows.count == 6 }, "\(producer.output) \(consumer.output)")
    try delete()
    var images = before
    for number in 0..<9 {
      let bytes = SeededNumbers.bytes(500, seed: UInt64(100 + number))
      images["new/\(number).jpg"] = bytes
      try folder.write("images/new/\(number).jpg", bytes)
    }
    let isHealed = eventually(within: Self.mark) { folder.rows.count == images.count }
    #expect(isHealed, "\(folder.rows.count) rows\n\(producer.output)\n\(consumer.output)")
    #expect(partitions == 3, "with the settings of a new topic")
    for side in [producer, consumer] { #expect(side.terminate() == 0, "\(side.output)") }
    try expectStored(images, in: folder)
    // The old topic's messages are gone, and the ledger knows it.
    #expect(producer.hasEvent("topic_recreated", naming: "--resend"), "\(producer.output)")
  }

  @Test("a producer alone re-creates the topic and sends the failed images") func producerRecreatesTopic() throws {
    let producer = try start("producer")
    try folder.write("images/a.jpg", [1])
    #expect(eventually { producer.hasEvent("image_sent", ["image": "a.jpg"]) }, "\(producer.output)")
    try delete()
    try folder.write("images/b.jpg", [2])
    let isHealed = eventually(within: Self.mark) { producer.hasEvent("image_sent", ["image": "b.jpg"]) }
    #expect(isHealed, "\(producer.output)")
    #expect(partitions == 3)
    #expect(try TopicContent(broker).names() == ["b.jpg"])
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test("--once re-creates the topic, too") func onceRecreatesTopic() throws {
    try folder.write("images/a.jpg", [1])
    // The broker is not asked again until it resumes.
    let producer = try Program(
      ["producer", "--once"], in: folder,
      environment: broker.environment(["TOPIC_PARTITIONS": "3", "KAFKA_LINGER_MS": "3000", "SETTLE_MS": "3000"]))
    #expect(eventually { producer.hasEvent("producer_started") }, "\(producer.output)")
    try delete()
    #expect(producer.exitCode(within: .seconds(40)) == 0, "\(producer.output)")
    #expect(try TopicContent(broker).names() == ["a.jpg"])
  }

  @Test("a consumer alone re-creates the topic and stores new images") func consumerRecreatesTopic() throws {
    let consumer = try start("consumer")
    try broker.send([.image("a.jpg", [1])])
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    try delete()
    #expect(eventually(within: Self.mark) { partitions == 3 }, "\(consumer.output)")
    try broker.send([.image("b.jpg", [2])])
    #expect(eventually(within: Self.mark) { folder.rows.count == 2 }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    try expectStored(["a.jpg": [1], "b.jpg": [2]], in: folder)
  }

  @Test("a topic that somebody else re-creates with other settings is left as it is") func foreignRecreationIsKept()
    throws
  {
    let consumer = try start("consumer")
    try broker.send([.image("a.jpg", [1])])
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    try delete()
    #expect(try client.createTopic(broker.topic, partitions: 2, timeout: .seconds(30)))
    try broker.send([.image("b.jpg", [2])])
    #expect(eventually(within: Self.mark * 3) { folder.rows.count == 2 }, "\(consumer.output)")
    #expect(partitions == 2)
    #expect(consumer.terminate() == 0, "\(consumer.output)")
  }

  @Test("a deleted topic of dead letters is re-created with the next dead letter") func letterTopicIsRecreated() throws
  {
    let consumer = try start("consumer")
    let letters = broker.topic + "-dlq"
    try broker.send([.text("poison")])
    #expect(eventually { try broker.messages(letters).count == 1 }, "\(consumer.output)")
    #expect(try client.deleteTopic(letters, timeout: .seconds(30)))
    // The first one may go to disk, which is as safe.
    let isBack = eventually(within: .seconds(90)) {
      try broker.send([.text("poison")])
      pause(.milliseconds(500))
      return try client.partitionCount(of: letters, timeout: .seconds(5)) != nil
    }
    #expect(isBack, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
  }
}

/// The broker's limits for message times. Needs a real broker: the embedded one accepts any time.
@Suite(.ownThread, .enabled("no Apache Kafka is named") { Broker.realServers != nil }) struct TimestampTests {
  private let folder = TestFolder()

  @Test("messages too old for the topic end a run with exit code 1 and name the clock")
  func wrongClockIsNamed() throws {
    let servers = try #require(Broker.realServers)
    // Messages older than a moment are refused, like all messages of a clock that is hours behind. Some of these many
    // segments wait longer than that.
    let broker = try Broker(real: servers, topicSettings: ["message.timestamp.before.max.ms": "1"])
    try folder.write("images/a.jpg", SeededNumbers.bytes(12_000_000, seed: 1))
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode(within: .seconds(30)) == 1, "\(producer.output)")
    #expect(
      producer.log.contains { $0.fields["error"] == "INVALID_TIMESTAMP" && $0.message.contains("clock") },
      "\(producer.output)")
  }

  @Test("doctor compares this machine's clock with the broker's") func doctorComparesClocks() throws {
    let broker = try Broker(real: try #require(Broker.realServers))
    try folder.makeFolder("images")
    let doctor = try Program(["doctor", "--json"], in: folder, environment: broker.environment())
    _ = doctor.exitCode()
    let clock = doctor.results.first { $0["check"] == "broker_clock" }
    // A broker that does not tell its clock would be all right, too.
    #expect(clock?["finding"] == "ok" && clock?["text"]?.contains(" ms") == true, "\(doctor.output)")
  }
}
