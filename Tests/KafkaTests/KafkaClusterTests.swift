import TestSupport
import Testing

@testable import Kafka

/// Questions to a cluster that any client can ask, and reading single messages.
@Suite(.ownThread) struct KafkaClusterTests {
  @Test("watermarks follow what is written") func watermarksFollowWrites() throws {
    let cluster = try EmbeddedCluster(brokers: 2)
    try cluster.createTopic("images", partitions: 2)
    let producer = try KafkaProducer(settings(cluster)) { _ in }
    #expect(try producer.watermarks(of: "images", partition: 1, timeout: patience) == (0, 0))
    try fill(cluster, "images", partition: 1, ["a", "b", "c"])
    #expect(try producer.watermarks(of: "images", partition: 1, timeout: patience) == (0, 3))
    #expect(try producer.watermarks(of: "images", partition: 0, timeout: patience) == (0, 0))
    let error = #expect(throws: KafkaError.self) {
      try producer.watermarks(of: "images", partition: 9, timeout: .seconds(1))
    }
    #expect(error?.context == "topic images, partition 9")
    producer.close()
  }

  /// UNKNOWN_TOPIC_OR_PART (3): the leader has not heard of the partition yet. LEADER_NOT_AVAILABLE (5): one is being
  /// elected. NOT_LEADER_OR_FOLLOWER (6): the broker does not know yet that it leads.
  @Test("a leader that is not known yet is awaited", arguments: [3, 5, 6]) func unknownLeaderIsAwaited(code: Int32)
    throws
  {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let producer = try KafkaProducer(settings(cluster)) { _ in }
    defer { producer.close() }
    #expect(try producer.partitionCount(of: "images", timeout: patience) == 1)
    cluster.failNextRequests(api: 2, errors: [code, code, code, code, code, code])
    #expect(try producer.watermarks(of: "images", partition: 0, timeout: patience) == (0, 0))
    // A lasting one is an error within the bound.
    cluster.failNextRequests(api: 2, errors: Array(repeating: code, count: 10_000))
    #expect(throws: KafkaError.self) {
      try producer.watermarks(of: "images", partition: 0, timeout: .milliseconds(300))
    }
  }

  @Test("partitions are counted, and a missing topic has none") func partitionsAreCounted() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 6)
    let producer = try KafkaProducer(settings(cluster, ["allow.auto.create.topics": "false"])) { _ in }
    let consumer = try KafkaConsumer(groupSettings(cluster, group: "g"), topic: "images")
    cluster.setTopicError("nowhere", 3)
    for client in [producer, consumer] as [KafkaClient] {
      #expect(try client.partitionCount(of: "images", timeout: patience) == 6)
      #expect(try client.partitionCount(of: "nowhere", timeout: patience) == nil)
      #expect(try !client.clusterID(timeout: patience).isEmpty)
      #expect(client.fatalError == nil)
    }
    consumer.unsubscribeAndClose()
    producer.close()
  }

  @Test("brokers and partitions are described") func brokersAndPartitionsAreDescribed() throws {
    let cluster = try EmbeddedCluster(brokers: 3)
    try cluster.createTopic("images", partitions: 2)
    let producer = try KafkaProducer(settings(cluster, ["allow.auto.create.topics": "false"])) { _ in }
    defer { producer.close() }
    let brokers = try producer.brokers(timeout: patience)
    #expect(brokers.map(\.id) == [1, 2, 3] && brokers.allSatisfy { $0.host == "127.0.0.1" && $0.port > 0 })
    let partitions = try #require(try producer.description(of: "images", timeout: patience)).partitions
    #expect(partitions.map(\.number) == [0, 1])
    for partition in partitions {
      #expect(
        partition.replicas == partition.inSync && partition.leader.map { partition.replicas.contains($0) } == true)
    }
    cluster.setTopicError("nowhere", 3)
    #expect(try producer.description(of: "nowhere", timeout: patience) == nil)
    // An unknown topic fails at once, and the client is as good as before.
    let settings = #expect(throws: KafkaError.self) {
      try producer.brokerSettings(1, timeout: patience)
    }
    let group = #expect(throws: KafkaError.self) {
      try producer.members(ofGroup: "g", timeout: patience)
    }
    #expect(settings?.isUnsupported == true && group?.isUnsupported == true)
    #expect(try producer.watermarks(of: "images", partition: 0, timeout: patience) == (0, 0))
  }

  @Test("an embedded cluster has no controller") func embeddedClusterHasNoController() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let producer = try KafkaProducer(settings(cluster)) { _ in }
    #expect(try !producer.hasController("images", timeout: patience))
    producer.close()
  }

  @Test("a reader finds one message, and none at an empty offset") func readerFindsOneMessage() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    try fill(cluster, "images", partition: 1, (0..<30).map { "\($0)" })
    let reader = try PartitionReader(groupSettings(cluster, group: "g", ["group.instance.id": "one"]))
    func read(_ partition: Int32, _ offset: Int64) throws -> String? {
      try reader.read(topic: "images", partition: partition, offset: offset, timeout: patience)?.text
    }
    // Back and forth on one reader: earlier reads leave nothing behind.
    for offset in [7, 0, 29, 8, 8] { #expect(try read(1, Int64(offset)) == "\(offset)") }
    #expect(try read(1, 30) == nil, "not come yet")
    #expect(try read(1, 500) == nil, "never written")
    #expect(try read(0, 0) == nil, "an empty partition")
    #expect(try read(1, 3) == "3")
    let kept = try PartitionReader.read(
      settings(cluster), topic: "images", partition: 1, offset: 11, timeout: patience)
    #expect(kept?.text == "11", "valid although its reader has gone")
  }

  @Test("a reader names a missing partition and a silent broker") func readerNamesMissingPartition() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reader = try PartitionReader(settings(cluster))
    let missing = #expect(throws: KafkaError.self) {
      try reader.read(topic: "images", partition: 9, offset: 3, timeout: patience)
    }
    #expect(missing?.isUnknownTopic == true && missing?.context == "topic images, partition 9, offset 3")
    cluster.setDown(true)
    let silent = #expect(throws: KafkaError.self) {
      try reader.read(topic: "images", partition: 0, offset: 0, timeout: .milliseconds(200))
    }
    #expect(silent?.isTimedOut == true && silent?.disposition == .transient)
  }

  @Test("an error has its place and its reason") func errorHasPlaceAndReason() throws {
    let cluster = try EmbeddedCluster()
    let producer = try KafkaProducer(settings(cluster, ["message.max.bytes": "1000"])) { _ in }
    let error = #expect(throws: KafkaError.self) {
      try producer.sendText("images", 3, String(repeating: "x", count: 1001))
    }
    #expect(error?.code == 10 && error?.isFatal == false && error?.disposition == .badInput)
    #expect(
      error?.description
        == "topic images, partition 3, a message of 2002 bytes: Broker: Message size too large (MSG_SIZE_TOO_LARGE)")
    producer.close()
  }
}
