import Testing

@testable import Configuration
@testable import Consumer
@testable import Doctor
@testable import Kafka
@testable import Telemetry

/// The topic and its backlog.
@Suite struct DoctorTopicTests {
  private func partition(_ number: Int32, leader: Int32? = 1, _ replicas: [Int32] = [1, 2, 3], inSync: [Int32]? = nil)
    -> TopicDescription.Partition
  {
    TopicDescription.Partition(number: number, leader: leader, replicas: replicas, inSync: inSync ?? replicas)
  }

  private func check(
    _ partitions: [TopicDescription.Partition]?, _ settings: [String: String] = ["min.insync.replicas": "2"],
    members: Int? = nil
  ) -> [Finding] {
    TopicCheck(
      name: "images", description: partitions.map { TopicDescription(partitions: $0) }, settings: settings,
      members: members, group: "storers"
    ).findings().filter { $0.level != .ok }
  }

  @Test("a missing topic will be created") func missingTopicWillBeCreated() throws {
    var topic = TopicCheck(name: "images")
    topic.wanted.partitions = 6
    topic.wanted.retentionBytes = 1_000
    #expect(topic.findings().keys == ["topic_partitions ok"])
    let text = try #require(topic.findings().first?.text)
    #expect(text.contains("6 partitions") && text.hasSuffix("retention.bytes=1000"), "\(text)")
  }

  @Test("a topic with other settings than asked for is noted") func differentTopicIsNoted() {
    var topic = TopicCheck(name: "images", description: TopicDescription(partitions: [partition(0)]))
    topic.settings = ["min.insync.replicas": "2", "retention.ms": "5"]
    topic.wanted.partitions = 6
    topic.wanted.retentionMilliseconds = 7
    let note = topic.findings().last
    #expect(note?.key == "topic_settings note", "\(topic.findings())")
    #expect(note?.text.hasSuffix("1 partition (TOPIC_PARTITIONS=6), retention.ms=5 (TOPIC_RETENTION_MS=7)") == true)
  }

  @Test("a good topic has no finding") func goodTopicHasNoFinding() {
    #expect(check([partition(0), partition(1)], members: 2) == [])
  }

  @Test("a partition without a leader names the brokers that have it") func leaderlessPartitionNamesBrokers() {
    let findings = check([partition(0), partition(1, leader: nil, [2, 3], inSync: [])])
    #expect(findings.keys == ["partition_leaders problem"] && findings[0].text.hasSuffix("partition 1"))
    #expect(findings.first?.cure == "start broker 2 or 3")
  }

  @Test("too few in-sync replicas are a problem") func fewInSyncReplicasAreAProblem() {
    let findings = check([partition(0, inSync: [1]), partition(1, inSync: [1, 2])])
    #expect(findings.keys == ["replicas_in_sync problem"])
    #expect(findings[0].text.contains("min.insync.replicas=2") && findings[0].text.hasSuffix("partition 0"))
    #expect(findings.first?.cure?.hasPrefix("start broker 2, 3, or ") == true)
    #expect(findings.first?.cure?.hasSuffix("--entity-name images --add-config min.insync.replicas=1") == true)
    // A topic with one replica that requires two: starting a broker does not help.
    let alone = check([partition(0, [1])])
    #expect(alone.keys == ["replicas_in_sync problem"] && alone[0].cure?.contains("start broker") == false)
  }

  @Test("less replication than possible is noted") func lowReplicationIsNoted() {
    #expect(check([partition(0, inSync: [1, 2])]).keys == ["replicas_in_sync note"])
    let one = check([partition(0, [1])], ["min.insync.replicas": "1"])
    #expect(one.keys == ["replica_count note"] && one.first?.cure?.contains("TOPIC_REPLICATION_FACTOR=3") == true)
    let weak = check([partition(0)], ["min.insync.replicas": "1"])
    #expect(weak.keys == ["min_insync_replicas note"] && weak.first?.cure?.contains("min.insync.replicas=2") == true)
  }

  @Test("compaction is a problem", arguments: ["compact", "compact,delete", "delete,compact"])
  func compactionIsAProblem(policy: String) {
    let findings = check([partition(0)], ["min.insync.replicas": "2", "cleanup.policy": policy])
    #expect(findings.keys == ["cleanup_policy problem"])
    #expect(findings.first?.cure?.hasSuffix("--entity-name images --add-config cleanup.policy=delete") == true)
  }

  @Test("no consumers, and more than partitions, are notes") func consumerCountIsNoted() {
    #expect(check([partition(0)], members: 0).keys == ["group_members note"])
    let many = check([partition(0), partition(1)], members: 5)
    #expect(many.keys == ["group_members note"] && many[0].text.contains(" 3 of them "))
    #expect(many.first?.cure?.contains("kafka-topics --alter --topic images --partitions 5") == true)
  }

  @Test("members that do not belong to the output are a problem")
  func strangersAreAProblem() {
    let member = KafkaClient.GroupMember(id: "x", clientID: "old-script", host: "10.0.0.9")
    var topic = TopicCheck(name: "images", description: TopicDescription(partitions: [partition(0)]), members: 2)
    #expect(!topic.findings().contains { $0.level == .problem })
    topic.strangers = [GroupStranger(kind: .otherClient, member: member)]
    let problems = topic.findings().filter { $0.level == .problem }
    #expect(
      problems.keys == ["group_strangers problem"] && problems[0].text.contains("old-script at 10.0.0.9"), "\(problems)"
    )
  }

  // MARK: Backlog

  private let now: Int64 = 1_800_000_000_000

  private func backlog(
    _ partitions: [Backlog.Partition], average: Int? = 100_000, milliseconds: Int? = 604_800_000, bytes: Int? = -1
  ) -> Backlog {
    Backlog(
      partitions: partitions, averageBytes: average, now: now, retentionMilliseconds: milliseconds,
      retentionBytes: bytes)
  }

  @Test("stored messages are no backlog") func storedMessagesDoNotWait() {
    let stored = backlog([
      .init(number: 0, low: 0, high: 10, committed: 10), .init(number: 1, low: 5, high: 5, committed: nil),
      .init(number: 2, low: 7, high: 7, committed: 7),
      // From a topic that was re-created since.
      .init(number: 3, low: 0, high: 3, committed: 30),
    ])
    #expect(stored.waiting == 0 && stored.findings().keys == ["everything_stored ok"])
  }

  @Test("the backlog is counted with bytes and age") func backlogHasBytesAndAge() {
    let waiting = backlog([
      .init(number: 0, low: 0, high: 1_000, committed: 600, oldest: now - 7_000),
      .init(number: 1, low: 20, high: 30, committed: nil, oldest: now - 90_000),
    ])
    #expect(waiting.waiting == 410 && waiting.imageBytes == 30_750_000)
    #expect(waiting.findings().keys == ["backlog ok"])
    let text = waiting.findings().first?.text ?? ""
    for said in ["410 messages", "30.8 MB", "90 s"] { #expect(text.contains(said), "\(said) in \(text)") }
  }

  @Test("messages removed before they were stored are a problem") func lostMessagesAreAProblem() {
    let findings = backlog([
      .init(number: 0, low: 100, high: 200, committed: 40), .init(number: 1, low: 0, high: 9, committed: 9),
    ]).findings()
    #expect(findings.keys == ["backlog ok", "messages_lost problem"])
    #expect(findings[1].text.hasSuffix("60 messages, in partition 0 (offsets 40 to 99)"))
    #expect(findings[1].cure?.contains("image-pipeline verify --resend") == true)
  }

  @Test(
    "the oldest message's age is compared with the topic's retention",
    arguments: [(0.3, nil), (0.6, Finding.Level.note), (0.95, .problem)])
  func ageIsComparedWithRetention(share: Double, level: Finding.Level?) {
    let age = Int64(share * 604_800_000)
    let findings = backlog([.init(number: 0, low: 0, high: 5, committed: 1, oldest: now - age)]).findings()
    #expect(findings.keys == ["backlog ok"] + (level.map { ["retention_time \($0)"] } ?? []))
    let forEver = backlog([.init(number: 0, low: 0, high: 5, committed: 1, oldest: now - age)], milliseconds: -1)
    #expect(forEver.findings().count == 1)
  }

  @Test("a partition's backlog is compared with the bytes that it retains") func bytesAreComparedWithRetention() {
    let partitions = [Backlog.Partition(number: 3, low: 0, high: 60, committed: 0)]
    #expect(backlog(partitions, bytes: 10_000_000).findings().last?.key == "retention_size note")
    #expect(backlog(partitions, bytes: 20_000_000).findings().count == 1)
  }

  @Test("dead letters that expire are noted") func letterRetentionIsNoted() {
    let keeping = ["retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"]
    var letters = LettersCheck(topic: "images-dlq", waiting: 0, settings: keeping)
    #expect(letters.findings().keys == ["dead_letters ok"])
    letters.settings = nil
    letters.waiting = 2
    #expect(letters.findings().keys == ["dead_letters note"])
    letters.settings = keeping.merging(["retention.ms": "604800000"]) { $1 }
    let finding = letters.findings().last
    #expect(
      finding?.key == "dead_letters_retention note" && finding?.text.hasSuffix(": retention.ms=604800000") == true)
    #expect(finding?.cure?.hasSuffix("--entity-name images-dlq --add-config retention.ms=-1") == true)
  }

  @Test("ages are rounded") func agesAreRounded() {
    #expect(Backlog.age(-5) == "0 s" && Backlog.age(119_999) == "119 s" && Backlog.age(120_000) == "2 min")
    #expect(Backlog.age(7_200_000) == "2 h" && Backlog.age(864_000_000) == "10 days")
  }
}
