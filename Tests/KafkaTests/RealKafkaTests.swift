import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

private let realServers = getenv("KAFKA_TEST_BOOTSTRAP_SERVERS").map { String(cString: $0) } ?? ""

/// Behaviour that the embedded cluster cannot show, tested on a real Kafka if there is one.
@Suite(
  .ownThread,
  .enabled(if: !realServers.isEmpty, "KAFKA_TEST_BOOTSTRAP_SERVERS names no Kafka that these tests may write to"))
struct RealKafkaTests {
  private let topic = "kafka-tests-\(UInt64.random(in: 0 ... .max))"

  private func settings(_ more: [String: String] = [:]) -> KafkaSettings {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", realServers)
    settings.set("allow.auto.create.topics", "false")
    for (property, value) in more { settings.set(property, value) }
    return settings
  }

  private func send(_ texts: [String], _ partition: Int32 = 0) throws {
    let reports = Inbox<DeliveryReport>()
    let producer = try KafkaProducer(settings(["enable.idempotence": "true"])) { reports.put($0) }
    for text in texts { try producer.sendText(topic, partition, text) }
    #expect(producer.flush(timeout: patience))
    #expect(reports.all.compactMap(\.error).isEmpty)
    producer.close()
  }

  @Test("a topic is created once and usable at once") func topicIsCreatedOnce() throws {
    let producer = try KafkaProducer(settings()) { _ in }
    #expect(try producer.partitionCount(of: topic, timeout: patience) == nil)
    let limit = ["max.message.bytes": "1234567"]
    #expect(try producer.createTopic(topic, partitions: 3, settings: limit, timeout: patience))
    #expect(try producer.partitionCount(of: topic, timeout: patience) == 3)
    #expect(try producer.hasController(topic, timeout: patience))
    try producer.sendText(topic, 2, "at once")
    #expect(producer.flush(timeout: patience))
    #expect(try producer.watermarks(of: topic, partition: 2, timeout: patience) == (0, 1))
    #expect(try !producer.createTopic(topic, timeout: patience), "it is there")
    let found = try producer.topicSettings(topic, timeout: patience)
    #expect(found["max.message.bytes"] == "1234567" && found["cleanup.policy"] == "delete")
    producer.close()
  }

  @Test("refusals have reasons") func refusalsHaveReasons() throws {
    let producer = try KafkaProducer(settings(["message.max.bytes": "3000000"])) { _ in }
    let wrong = #expect(throws: KafkaError.self) {
      try producer.createTopic(topic, settings: ["no.such.setting": "1"], timeout: patience)
    }
    #expect(wrong?.isInvalidRequest == true && wrong?.context == "topic \(topic)")
    let named = #expect(throws: KafkaError.self) {
      try producer.createTopic("not a name", timeout: patience)
    }
    #expect(named?.isInvalidRequest == true)
    let missing = #expect(throws: KafkaError.self) {
      try producer.topicSettings(topic, timeout: patience)
    }
    #expect(missing?.isUnknownTopic == true)
    producer.close()
  }

  @Test("the broker's size limit is reported") func sizeLimitIsReported() throws {
    let reports = Inbox<DeliveryReport>()
    let producer = try KafkaProducer(settings(["message.max.bytes": "3000000"])) { reports.put($0) }
    #expect(
      try producer.createTopic(
        topic, partitions: 1, settings: ["max.message.bytes": "1000"], timeout: patience))
    try producer.sendText(topic, 0, String(repeating: "x", count: 5000), token: 7)
    let report = try #require(reports.all(atLeast: 1).first)
    #expect(report.token == 7 && report.error?.isMessageTooLarge == true && !report.mayHaveArrived)
    producer.close()
  }

  @Test("brokers, topics and groups are described") func clusterIsDescribed() throws {
    let producer = try KafkaProducer(settings()) { _ in }
    defer { producer.close() }
    #expect(try producer.description(of: topic, timeout: patience) == nil)
    #expect(try producer.createTopic(topic, partitions: 2, timeout: patience))
    let brokers = try producer.brokers(timeout: patience)
    let first = try #require(brokers.first)
    #expect(realServers.contains("\(first.host):\(first.port)"))
    let partitions = try #require(try producer.description(of: topic, timeout: patience)).partitions
    #expect(partitions.map(\.number) == [0, 1])
    for partition in partitions {
      #expect(partition.leader.map { leader in brokers.contains { $0.id == leader } } == true)
      #expect(partition.replicas.contains(partition.leader ?? -1) && partition.inSync.contains(partition.leader ?? -1))
    }
    let limits = try producer.brokerSettings(first.id, timeout: patience)
    #expect(limits["socket.request.max.bytes"].flatMap { Int($0) } ?? 0 > 1_000_000)
    #expect(limits["message.max.bytes"] != nil && limits["replica.fetch.max.bytes"] != nil)

    #expect(try producer.members(ofGroup: topic, timeout: patience).isEmpty)
    let consumer = try KafkaConsumer(
      settings(["group.id": topic, "group.instance.id": "me", "client.id": "a client"]), topic: topic)
    try consumer.subscribe()
    var members: [KafkaClient.GroupMember] = []
    for _ in 0..<100 where members.isEmpty {
      _ = consumer.poll(maximum: 1, timeout: .milliseconds(100))
      members = try producer.members(ofGroup: topic, timeout: patience)
    }
    #expect(members.count == 1 && members.first?.clientID == "a client", "\(members)")
    #expect(members.first?.id.hasPrefix("me-") == true && members.first?.host.first?.isNumber == true, "\(members)")
    consumer.unsubscribeAndClose()
  }

  /// By itself the library checks once a second for partitions to read.
  @Test("single messages are read without the library's timer") func singleMessagesAreReadAtOnce() throws {
    let producer = try KafkaProducer(settings()) { _ in }
    _ = try producer.createTopic(topic, partitions: 2, timeout: patience)
    producer.close()
    for partition: Int32 in 0..<2 { try send((0..<30).map { "\($0)" }, partition) }
    let reader = try PartitionReader(settings(["fetch.wait.max.ms": "20"]))
    let times = try (0..<60).map { number in
      let start = ContinuousClock.now
      let message = try reader.read(
        topic: topic, partition: Int32(number % 2), offset: Int64(number / 2), timeout: patience)
      #expect(message?.offset == Int64(number / 2))
      return ContinuousClock.now - start
    }
    // A machine under load may be slow once or twice.
    #expect(times.count { $0 >= .milliseconds(900) } <= 2, "\(times)")
  }

  @Test("the cluster id is the same for all clients") func clusterIDIsTheSameForAll() throws {
    let producer = try KafkaProducer(settings()) { _ in }
    let consumer = try KafkaConsumer(settings(["group.id": topic]), topic: topic)
    let id = try producer.clusterID(timeout: patience)
    #expect(try !id.isEmpty && consumer.clusterID(timeout: patience) == id)
    consumer.unsubscribeAndClose()
    producer.close()
  }

  @Test("a missing topic is named") func missingTopicIsNamed() throws {
    let consumer = try joined(settings(["group.id": topic]), topic)
    var seen = Seen()
    seen.poll(consumer) { !$0.failures.isEmpty }
    #expect(seen.failures.first?.isUnknownTopic == true && seen.failures.first?.context == "topic \(topic)")
    consumer.unsubscribeAndClose()
    let reader = try PartitionReader(settings())
    let error = #expect(throws: KafkaError.self) {
      try reader.read(topic: topic, partition: 0, offset: 0, timeout: patience)
    }
    #expect(error?.isUnknownTopic == true)
  }

  @Test("a partition that a re-created topic lacks is noticed") func lostPartitionIsNoticed() throws {
    let producer = try KafkaProducer(settings()) { _ in }
    defer { producer.close() }
    #expect(try producer.createTopic(topic, partitions: 2, timeout: patience))
    try send(["a"], 1)
    let reader = try PartitionReader(settings())
    #expect(try reader.read(topic: topic, partition: 1, offset: 0, timeout: patience) != nil)
    #expect(try producer.deleteTopic(topic, timeout: patience))
    #expect(try producer.createTopic(topic, partitions: 1, timeout: patience))
    var last: KafkaError?
    #expect(
      eventually {
        do { _ = try reader.read(topic: topic, partition: 1, offset: 0, timeout: .milliseconds(500)) } catch {
          last = error as? KafkaError
        }
        return last?.isUnknownTopic == true
      }, "\(last.map { "\($0)" } ?? "no error")")
  }

  @Test("a missing offset is an event, and a seek fixes it") func missingOffsetIsAnEvent() throws {
    let producer = try KafkaProducer(settings()) { _ in }
    #expect(try producer.createTopic(topic, partitions: 2, timeout: patience))
    producer.close()
    try send(["a", "b"], 0)
    try send(["c"], 1)
    let consumer = try joined(settings(["group.id": topic]), topic, [0: .at(700), 1: .beginning])
    var seen = Seen()
    seen.poll(consumer) { $0.outOfRange[0] != nil && $0.ends[1] != nil }
    #expect(seen.texts == ["c"])
    try consumer.seek(partition: 0, to: .beginning)
    seen.poll(consumer) { $0.ends[0] != nil }
    #expect(seen.texts == ["c", "a", "b"])
    try consumer.commitAndWait([0: 2, 1: 1], timeout: patience)
    #expect(try consumer.committed(partitions: [0, 1], timeout: patience) == [0: 2, 1: 1])
    consumer.unsubscribeAndClose()
  }

  @Test("a static member gets its partitions back at once, and a later one fences it") func staticMemberReturnsAtOnce()
    throws
  {
    let producer = try KafkaProducer(settings()) { _ in }
    #expect(try producer.createTopic(topic, partitions: 1, timeout: patience))
    producer.close()
    try send(["a"])
    let member = ["group.id": topic, "group.instance.id": "slot-0", "session.timeout.ms": "45000"]
    let first = try joined(settings(member), topic)
    var seen = Seen()
    seen.poll(first) { $0.texts == ["a"] }
    first.unsubscribeAndClose()
    let start = ContinuousClock.now
    let second = try joined(settings(member), topic, [0: .at(0)])
    var again = Seen()
    again.poll(second) { $0.texts == ["a"] }
    #expect(ContinuousClock.now - start < .seconds(20), "the session of 45 s is not waited for")

    // A third client with the same name takes over; the second is fenced.
    let third = try joined(settings(member), topic)
    var fenced = Seen()
    var last = Seen()
    #expect(
      eventually {
        fenced.take(second.poll(maximum: 10, timeout: .milliseconds(50)))
        last.take(third.poll(maximum: 10, timeout: .milliseconds(50)))
        return fenced.failures.contains { $0.isFatal } && last.texts == ["a"]
      })
    #expect(second.fatalError?.isFenced == true)
    #expect(fenced.failures.first { $0.isFatal }?.isFenced == true)
    second.unsubscribeAndClose()
    #expect(second.fatalError?.isFenced == true, "remembered after closing")
    third.unsubscribeAndClose()
  }
}
