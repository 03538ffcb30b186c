import TestSupport
import Testing

@testable import Doctor
@testable import Kafka
@testable import Platform
@testable import Telemetry

/// The topic of receipts, and receipts that wait in the catalog.
@Suite struct DoctorReceiptTests {
  private let week = "604800000"

  /// A topic as the consumer creates it, used by one side.
  private func check(isWritten: Bool = false, _ settings: [String: String] = [:]) -> ReceiptsCheck {
    let usual = ["cleanup.policy": "delete", "retention.ms": week, "retention.bytes": "-1"]
    return ReceiptsCheck(
      topic: "images-receipts", isRead: !isWritten, isWaitedFor: true, isWritten: isWritten,
      settings: usual.merging(settings) { $1 })
  }

  /// The broker's refusal to take a message, with the right that is missing.
  private func refusal() throws -> KafkaError {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images-receipts", partitions: 1)
    // Produce: TOPIC_AUTHORIZATION_FAILED.
    cluster.failNextRequests(api: 0, errors: [29])
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    return try #require(throws: KafkaError.self) {
      try WriteTrial.run(settings, topic: "images-receipts", partition: 0, timeout: .seconds(30))
    }
  }

  @Test("a good topic has no other finding", arguments: [true, false]) func goodTopicIsFine(isWritten: Bool) {
    #expect(check(isWritten: isWritten).findings().keys == ["receipts_topic ok"])
    var unknown = check(isWritten: isWritten)
    unknown.settings = nil
    #expect(unknown.findings().keys == ["receipts_topic ok"] && unknown.size == nil)
  }

  @Test("a missing topic will be created, unless that is refused") func missingTopicIsCreated() throws {
    var topic = check()
    topic.isThere = false
    #expect(topic.findings().keys == ["receipts_topic ok"])
    topic.isWritten = true
    #expect(topic.findings().keys == ["receipts_topic ok"])
    topic.creation = try refusal()
    let problem = try #require(topic.findings().first)
    #expect(problem.key == "receipts_topic problem" && problem.text.contains("images-receipts"))
    #expect(problem.cure?.contains("kafka-acls") == true && problem.cure?.contains("RECEIPTS=off") == true)
  }

  @Test("a topic that cannot be read is a problem if files wait for it") func unreadableTopicIsFound() throws {
    var topic = check()
    topic.reading = try refusal()
    let problem = try #require(topic.findings().first)
    #expect(topic.findings().keys == ["receipts_readable problem"])
    // The right is the error's.
    #expect(
      problem.text.contains("AFTER_SENT") && problem.cure?.contains("no Write right on topic images-receipts") == true)
    topic.isWaitedFor = false
    #expect(topic.findings().keys == ["receipts_readable note"])
  }

  @Test("a topic that cannot be written is a problem") func unwritableTopicIsFound() throws {
    var topic = check(isWritten: true)
    topic.writing = try refusal()
    #expect(topic.findings().keys == ["receipts_writable problem"])
    #expect(topic.findings().first?.cure?.contains("RECEIPTS=off") == true)
  }

  @Test("a partition without a leader is a problem") func leaderlessPartitionIsAProblem() {
    var topic = check()
    topic.leaderless = [0]
    #expect(topic.findings().keys == ["receipts_topic problem"])
  }

  @Test("compaction is a problem", arguments: ["compact", "compact,delete"]) func compactionIsAProblem(policy: String) {
    let findings = check(["cleanup.policy": policy]).findings()
    #expect(findings.keys == ["receipts_topic ok", "receipts_cleanup_policy problem"])
    #expect(findings.last?.cure?.hasSuffix("--entity-name images-receipts --add-config cleanup.policy=delete") == true)
  }

  /// A day at least, a week at most, and otherwise as long as the images are kept.
  @Test(
    "receipts are to be kept as long as images are",
    arguments: [
      (86_399_999, nil, true), (86_400_000, nil, false), (86_400_000, 3_600_000, false), (3_600_000, 3_600_000, true),
      (172_800_000, 259_200_000, true), (604_800_000, 2_592_000_000, false), (172_800_000, -1, true),
      (-1, -1, false),
    ])
  func shortRetentionIsNoted(milliseconds: Int, source: Int?, isNoted: Bool) {
    var topic = check(["retention.ms": "\(milliseconds)"])
    topic.sourceRetention = source
    let note = topic.findings().last
    #expect((note?.key == "receipts_retention note") == isNoted, "\(topic.findings())")
    if isNoted { #expect(note?.cure?.hasSuffix("--add-config retention.ms=\(week)") == true) }
  }

  @Test("a topic that keeps few bytes is noted") func fewBytesAreNoted() {
    let note = check(["retention.bytes": "1000000"]).findings().last
    #expect(note?.key == "receipts_retention note" && note?.cure?.hasSuffix("retention.bytes=-1") == true)
    #expect(check(["retention.bytes": "1500000000"]).findings().count == 1)
  }

  @Test("a topic that refuses large receipts is a problem") func smallMessagesAreAProblem() {
    let small = check(["max.message.bytes": "100000"]).size
    #expect(small?.key == "receipts_message_size problem" && small?.subject?.value == "100,000")
    #expect(small?.cure?.hasSuffix("--add-config max.message.bytes=1048588") == true)
    #expect(check(["max.message.bytes": "300000"]).size?.key == "receipts_message_size ok")
  }

  @Test("files that wait for a consumer without receipts are noted") func receiptsOffIsNoted() {
    var topic = check()
    topic.isOff = true
    #expect(topic.findings().keys == ["receipts_topic ok", "receipts_off note"])
  }

  @Test("receipts that wait in the catalog for long are noted") func waitingReceiptsAreNoted() {
    let now: Int64 = 1_800_000_000_000
    #expect(OutboxCheck(count: 3, oldest: now - 30_000, now: now).finding().key == "receipts_waiting ok")
    let late = OutboxCheck(count: 3, oldest: now - 300_000, now: now).finding()
    #expect(late.key == "receipts_waiting note" && late.text.contains("3 receipts") && late.text.contains("5 min"))
  }
}
