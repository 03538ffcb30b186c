import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import Telemetry

/// Receipts, and files that do not wait for them, on a real Kafka.
extension DoctorTests {
  private func client(_ broker: Broker) throws -> KafkaProducer { try KafkaProducer(broker.settings()) { _ in } }

  private static let confirmed = ["AFTER_SENT": "delete"]
  private static let unconfirmed = ["AFTER_SENT": "delete", "RECEIPTS_NEEDED": "0"]

  @Test("the topic of receipts is checked, and stays as it is", .realKafka) func receiptsTopicIsChecked() throws {
    let broker = try Broker(real: Broker.realServers!)
    try folder.write("images/a.jpg", [1])
    for side in [["--producer"], ["--consumer"], []] {
      let fresh = try doctor(broker, side, Self.confirmed)
      #expect(fresh.code == 0 && fresh.has(.ok, "receipts_topic", in: .topic, naming: broker.receiptsTopic))
    }
    let client = try client(broker)
    defer { client.close() }
    #expect(try client.partitionCount(of: broker.receiptsTopic, timeout: .seconds(30)) == nil, "nothing is created")
    try broker.send([.image("a.jpg", [1])])
    #expect(try Program.storeAll(in: folder, broker).stored == 1)
    let count = try broker.receipts().count
    let used = try doctor(broker, [], Self.confirmed)
    #expect(used.code == 0, "\(used.output)")
    #expect(used.has(.ok, "receipts_topic", in: .topic, naming: broker.receiptsTopic), "\(used.output)")
    #expect(used.has(.ok, "receipts_message_size", in: .sizes, naming: "1,048,588"), "\(used.output)")
    #expect(try broker.receipts().count == count, "nothing is written")
    let off = try doctor(broker, [], Self.confirmed.merging(["RECEIPTS": "off"]) { $1 })
    #expect(off.has(.note, "receipts_off"), "\(off.output)")
  }

  @Test("a topic of receipts with unsuitable settings is found, with the commands that fix it", .realKafka)
  func badReceiptsTopicHasCommands() throws {
    let broker = try Broker(real: Broker.realServers!)
    let client = try client(broker)
    defer { client.close() }
    let settings = ["cleanup.policy": "compact", "retention.ms": "3600000", "max.message.bytes": "100000"]
    _ = try client.createTopic(broker.receiptsTopic, partitions: 1, settings: settings, timeout: .seconds(30))
    try folder.write("images/a.jpg", [1])
    let outcome = try doctor(broker)
    let command = "kafka-configs --alter --entity-type topics --entity-name \(broker.receiptsTopic) --add-config "
    #expect(outcome.has(.problem, "receipts_cleanup_policy", in: .topic, naming: command + "cleanup.policy=delete"))
    #expect(outcome.has(.note, "receipts_retention", in: .topic, naming: command + "retention.ms=604800000", "60 min"))
    #expect(outcome.has(.problem, "receipts_message_size", in: .sizes, naming: command + "max.message.bytes=1048588"))
    #expect(outcome.problems.count == 2 && outcome.code == 1, "\(outcome.output)")
  }

  @Test("receipts that a consumer could not send are counted", .realKafka) func unsentReceiptsAreCounted() throws {
    let broker = try Broker(real: Broker.realServers!)
    try broker.send([.image("a.jpg", [1])])
    let killed = try Program(
      ["consumer", "--until-idle", "1"], in: folder,
      environment: broker.environment(["FAULT_POINT": "transactionCommitted"]))
    #expect(killed.exitCode() != 0, "\(killed.output)")
    let outcome = try doctor(broker, ["--consumer"])
    #expect(outcome.has(.ok, "receipts_waiting", in: .output, naming: "1 receipt"), "\(outcome.output)")
  }

  @Test("files that leave without receipts: the time until the topic loses images is reported", .realKafka)
  func unconfirmedFilesHaveTimeLeft() throws {
    let broker = try Broker(
      real: Broker.realServers!, topicSettings: ["retention.bytes": "2000000", "retention.ms": "-1"])
    try folder.write("images/a.jpg", [1])
    // About 40 kB each: a burst counts as a minute, so 400 kB arrive in it.
    let images = (0..<10).map { index in
      TestMessage.image("\(index).jpg", (0..<30_000).map { UInt8(truncatingIfNeeded: $0 &* (index + 7)) })
    }
    try broker.send(images)
    let waiting = try doctor(broker, ["--producer"], Self.unconfirmed)
    #expect(waiting.code == 0, "\(waiting.output)")
    #expect(
      waiting.has(
        .note, "after_sent_unconfirmed", in: .topic, naming: "RECEIPTS_NEEDED=0", "about 3 min until",
        "retention.bytes=2000000", "kB/s", broker.group, "10 messages", "RECEIPTS_NEEDED=1"), "\(waiting.output)")
    try broker.send(Array(repeating: images, count: 4).flatMap { $0 })
    let late = try doctor(broker, ["--producer"], Self.unconfirmed)
    #expect(late.has(.problem, "after_sent_unconfirmed", naming: "start the consumer"), "\(late.output)")
    _ = try Program.storeAll(in: folder, broker)
    let stored = try doctor(broker, ["--producer"], Self.unconfirmed)
    #expect(stored.has(.note, "after_sent_unconfirmed", naming: "everything is stored"), "\(stored.output)")
    #expect(!(try doctor(broker, ["--producer"], Self.confirmed).checks.contains("after_sent_unconfirmed")))
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips the test if there is no real Kafka.
  fileprivate static var realKafka: Self {
    .enabled(if: Broker.realServers != nil, "needs a real Kafka: KAFKA_TEST_BOOTSTRAP_SERVERS")
  }
}
