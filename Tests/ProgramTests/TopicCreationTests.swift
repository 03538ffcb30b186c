import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// A topic created by the pipeline has the requested settings. Needs a real broker: the embedded one has no topic
/// settings.
@Suite(.ownThread, .enabled("no Apache Kafka is named") { Broker.realServers != nil }) struct TopicCreationTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let client: KafkaProducer
  private static let commands = [["producer", "--once"], ["consumer", "--until-idle", "0.3"]]

  init() throws {
    let servers = try #require(Broker.realServers)
    broker = Broker(servers: servers, topic: Broker.newTopic())
    var settings = broker.settings()
    settings.set("allow.auto.create.topics", "false")
    client = try KafkaProducer(settings) { _ in }
    try folder.makeFolder("images")
  }

  private func run(_ arguments: [String], _ more: [String: String]) throws -> Program {
    let program = try Program(
      arguments, in: folder, environment: broker.environment(["KAFKA_SESSION_TIMEOUT_MS": "6000"].merging(more) { $1 }))
    _ = program.exitCode()
    return program
  }

  private func settings() throws -> [String: String] {
    try client.topicSettings(broker.topic, timeout: .seconds(30))
  }

  private func partitions() throws -> Int? {
    try client.partitionCount(of: broker.topic, timeout: .seconds(30))
  }

  @Test("a new topic has the requested settings and keeps them", arguments: commands)
  func newTopicHasSettings(command: [String]) throws {
    defer { client.close() }
    let wanted = [
      "TOPIC_PARTITIONS": "3", "TOPIC_REPLICATION_FACTOR": "1", "TOPIC_RETENTION_MS": "7654321",
      "TOPIC_RETENTION_BYTES": "1234567890",
    ]
    let first = try run(command, wanted)
    #expect(first.exitCode() == 0 && first.hasEvent("topic_created"), "\(first.output)")
    #expect(!first.hasEvent("topic_differs"), "\(first.output)")
    #expect(try partitions() == 3)
    #expect(try settings()["retention.ms"] == "7654321" && settings()["retention.bytes"] == "1234567890")
    let next = try run(command, ["TOPIC_PARTITIONS": "5", "TOPIC_RETENTION_MS": "1000"])
    #expect(next.exitCode() == 0, "\(next.output)")
    #expect(
      next.hasEvent("topic_differs", naming: "TOPIC_PARTITIONS=5", "retention.ms=7654321 (TOPIC_RETENTION_MS=1000)"),
      "\(next.output)")
    #expect(try partitions() == 3)
    #expect(try settings()["retention.ms"] == "7654321")
    #expect(try !run(command, [:]).hasEvent("topic_differs"), "nothing was asked for")
  }

  @Test("a topic that accepts only smaller messages is reported") func smallTopicIsReported() throws {
    defer { client.close() }
    let small = ["max.message.bytes": "500000"]
    #expect(try client.createTopic(broker.topic, partitions: 1, settings: small, timeout: .seconds(30)))
    try folder.write("images/a.jpg", [1])
    let producer = try run(["producer", "--once"], [:])
    #expect(producer.sent == 1, "\(producer.output)")
    #expect(producer.hasEvent("topic_size_limited", small, naming: "SEGMENT_BYTES"), "\(producer.output)")
  }

  @Test("a refused topic setting ends the run and names its variable", arguments: commands)
  func refusedSettingNamesVariable(command: [String]) throws {
    defer { client.close() }
    let refused = try run(command, ["TOPIC_REPLICATION_FACTOR": "999"])
    #expect(refused.exitCode() == 1, "\(refused.output)")
    let words = ["TOPIC_REPLICATION_FACTOR=999", "INVALID_REPLICATION_FACTOR"]
    #expect(
      refused.log.events("program_failed", ["error": "TopicRefusal"], naming: words).count == 1, "\(refused.output)")
    #expect(try partitions() == nil)
  }
}
