import TestSupport
import Testing

@testable import Configuration
@testable import Doctor
@testable import Kafka
@testable import Platform

/// Questions to the brokers about the topic, on an embedded one.
@Suite struct DoctorInquiryTests {
  private let cluster: EmbeddedCluster

  init() throws {
    cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
  }

  /// The consumer side's findings.
  private func findings() throws -> [JSONLine] {
    let configuration = try EnvironmentReader.read([
      "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrapServers, "TOPIC": "images", "KAFKA_SASL_USERNAME": "storer",
    ])
    let stop = StopFlag()
    var text = ""
    let report = DoctorReport(format: .json) { text += $0 }
    let check = try BrokerCheck(configuration.consumer.kafka, topic: "images", stop: stop)
    defer { check.close() }
    let brokers = try #require(check.look(report), "\(text)")
    _ = check.settings(of: brokers, report)
    let sides = DoctorSides(producer: false, consumer: true)
    _ = TopicInquiry(broker: check, configuration: configuration, sides: sides, stop: stop).look(report)
    return JSONLine.all(in: text)
  }

  private func has(_ check: String, _ findings: [JSONLine]) -> Bool { findings.contains { $0["check"] == check } }
  private func hasProblem(_ findings: [JSONLine]) -> Bool { findings.contains { $0["finding"] == "problem" } }

  @Test("an empty readable topic has no problem") func emptyTopicHasNoProblem() throws {
    let found = try findings()
    #expect(has("everything_stored", found) && !hasProblem(found), "\(found)")
  }

  /// A message that the group has stored.
  private func store(_ partition: Int32) throws {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    settings.set("group.id", Variable.all["CONSUMER_GROUP"]!.defaultValue)
    let isDelivered = StopFlag()
    let producer = try KafkaProducer(settings) { _ in isDelivered.set() }
    defer { producer.close() }
    try #require(
      producer.send(topic: "images", partition: partition, key: nil, copying: nil, headers: [], token: 0) == .queued)
    try #require(isDelivered.wait(for: .seconds(30)))
    let consumer = try KafkaConsumer(settings, topic: "images")
    defer { consumer.unsubscribeAndClose() }
    try consumer.commitAndWait([partition: 1], timeout: .seconds(30))
  }

  @Test("a missing right to read is found even without a backlog") func missingReadRightIsFound() throws {
    try store(1)
    // Fetch: TOPIC_AUTHORIZATION_FAILED.
    cluster.failNextRequests(api: 1, errors: Array(repeating: 29, count: 50))
    let found = try findings()
    let problem = found.first { $0["finding"] == "problem" }
    #expect(problem?["check"] == "messages_readable", "\(found)")
    #expect(problem?["cure"]?.contains("the user storer has no Read right on topic images") == true, "\(found)")
    #expect(has("everything_stored", found), "what could be told is told: \(found)")
  }

  @Test("a refused answer is noted unless the broker does not know the request") func refusedAnswerIsNoted() throws {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    let client = try KafkaProducer(settings) { _ in }
    defer { client.close() }
    let unknown = try #require(throws: KafkaError.self) { try client.brokerSettings(1, timeout: .seconds(30)) }
    #expect(BrokerCheck.untold("broker_limits", "its limits", unknown).level == .ok, "\(unknown)")
    cluster.setDown(true)
    let late = try #require(throws: KafkaError.self) {
      try client.description(of: "images", timeout: .milliseconds(100))
    }
    #expect(BrokerCheck.untold("broker_limits", "its limits", late).level == .note, "\(late)")
  }

  /// OffsetFetch: COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR. ListOffsets: UNKNOWN_TOPIC_OR_PART, if the leader has not
  /// heard of the partition yet, LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE.
  @Test("a temporary error is no problem", arguments: [(9, 15), (9, 16), (2, 3), (2, 5), (2, 6), (2, 78)])
  func temporaryErrorIsNoProblem(api: Int16, code: Int32) throws {
    cluster.failNextRequests(api: api, errors: [code, code])
    let found = try findings()
    #expect(has("everything_stored", found) && !hasProblem(found), "\(found)")
  }

  @Test("a lasting error is not awaited for long") func lastingErrorIsBounded() throws {
    cluster.failNextRequests(api: 9, errors: Array(repeating: 16, count: 1_000))
    let begun = ContinuousClock.now
    #expect(try findings().contains { $0.has(["check": "backlog", "finding": "problem"]) })
    #expect(ContinuousClock.now - begun < .seconds(25))
  }
}
