import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// What doctor finds out about rights on the topic of images and on that of the receipts.
@Suite(.ownThread, .securedBroker) struct SecuredBrokerDoctorRightsTests {
  private let folder = TestFolder()
  private let topic = Broker.newTopic()
  private let secured: SecuredBroker
  private let client: KafkaProducer
  private var receipts: String { topic + "-receipts" }

  init() throws {
    secured = try SecuredBroker()
    client = try secured.operatorClient()
    try folder.write("images/a.jpg", [1, 2, 3])
    _ = try client.createTopic(topic, partitions: 1, timeout: .seconds(30))
  }

  private func allow(_ operation: KafkaClient.Operation, on resource: KafkaClient.Resource) throws {
    try secured.allow(operation, on: resource, as: client)
  }

  private func makeReceipts() throws { _ = try client.createTopic(receipts, partitions: 1, timeout: .seconds(30)) }

  private func doctor(_ side: String, _ more: [String: String] = [:]) throws -> DoctorTests.Outcome {
    let broker = try secured.broker(.plain, .stranger, topic: topic)
    return DoctorTests.Outcome(
      try Program(["doctor", "--json", side], in: folder, environment: broker.environment(more)))
  }

  private func command(_ operation: String, _ name: String? = nil) -> String {
    "kafka-acls --add --allow-principal User:stranger --operation \(operation) --topic \(name ?? receipts)"
  }

  @Test("a producer that may write to another topic only is told so, and nothing is written")
  func missingWriteOnImagesIsFound() throws {
    try allow(.describe, on: .topic(topic))
    try allow(.write, on: .topic(topic + "-other"))
    #expect(
      eventually { try doctor("--producer").has(.problem, "sending_permitted", naming: command("Write", topic)) })
    try allow(.write, on: .topic(topic))
    #expect(eventually { try !doctor("--producer").checks.contains("sending_permitted") })
    #expect(try client.watermarks(of: topic, partition: 0, timeout: .seconds(30)).high == 0)
  }

  @Test("a consumer's missing rights on the topic of receipts are found, and nothing is written")
  func missingWriteIsFound() throws {
    try allow(.read, on: .topic(topic))
    try allow(.describe, on: .topic(receipts))
    // Rights apply some moments after they were granted.
    #expect(eventually { try doctor("--consumer").has(.problem, "receipts_topic", naming: command("Create")) })
    try allow(.create, on: .topic(receipts))
    #expect(eventually { try doctor("--consumer").has(.ok, "receipts_topic") })
    #expect(try client.partitionCount(of: receipts, timeout: .seconds(30)) == nil)
    try makeReceipts()
    let refused = try doctor("--consumer")
    #expect(refused.has(.problem, "receipts_writable", naming: command("Write"), "RECEIPTS=off"), "\(refused.output)")
    #expect(!(try doctor("--consumer", ["RECEIPTS": "off"]).checks.contains("receipts_writable")))
    try allow(.write, on: .topic(receipts))
    #expect(eventually { try doctor("--consumer").has(.ok, "receipts_topic") })
    #expect(try client.watermarks(of: receipts, partition: 0, timeout: .seconds(30)).high == 0)
  }

  @Test("a producer's missing right to read receipts is found") func missingReadIsFound() throws {
    try makeReceipts()
    try allow(.write, on: .topic(topic))
    let deleting = ["AFTER_SENT": "delete"]
    let refused = try doctor("--producer", deleting)
    #expect(refused.has(.problem, "receipts_readable", naming: command("Read"), "AFTER_SENT"), "\(refused.output)")
    let keeping = try doctor("--producer")
    #expect(keeping.has(.note, "receipts_readable", naming: command("Read")), "\(keeping.output)")
    try allow(.read, on: .topic(receipts))
    #expect(eventually { try doctor("--producer", deleting).has(.ok, "receipts_topic") })
  }

  @Test("files that leave without receipts: what may not be seen is reported with its right")
  func unseenRetentionHasRights() throws {
    let unconfirmed = ["AFTER_SENT": "delete", "RECEIPTS_NEEDED": "0"]
    let blind = try doctor("--producer", unconfirmed)
    #expect(blind.has(.note, "after_sent_unconfirmed", naming: "cannot be inspected"), "\(blind.output)")
    try allow(.write, on: .topic(topic))
    try secured.broker(.tls, topic: topic).send([.image("a.jpg", [1])])
    #expect(eventually { try doctor("--producer").problems.isEmpty })
    let outcome = try doctor("--producer", unconfirmed)
    #expect(
      outcome.has(
        .note, "after_sent_unconfirmed", naming: "DescribeConfigs on topic \(topic)", "Describe on group",
        "no Read right on topic \(topic)"), "\(outcome.output)")
  }
}
