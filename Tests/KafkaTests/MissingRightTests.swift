import Testing

@testable import Kafka

/// The right that an operator is told to grant when the broker refuses something.
@Suite struct MissingRightTests {
  @Test("a refused message names the right to write") func refusedMessageNamesWrite() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let producer = try KafkaProducer(settings(cluster, ["sasl.username": "camera"])) { reports.put($0) }
    defer { producer.close() }
    cluster.failNextRequests(api: 0, errors: [29])
    try producer.sendText("images", 0, "x", token: 5)
    let error = try #require(reports.all(atLeast: 1).first?.error)
    #expect(error.missingRight?.operation == "Write" && error.missingRight?.resource == "topic images")
    #expect(
      error.description.hasSuffix(
        "(TOPIC_AUTHORIZATION_FAILED): the user camera has no Write right on topic images: grant it (kafka-acls --add "
          + "--allow-principal User:camera --operation Write --topic images)"), "\(error)")
  }

  @Test("a hidden topic names the right to describe") func hiddenTopicNamesDescribe() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    cluster.setTopicError("images", 29)
    let producer = try KafkaProducer(settings(cluster)) { _ in }
    defer { producer.close() }
    let error = #expect(throws: KafkaError.self) {
      _ = try producer.partitionCount(of: "images", timeout: patience)
    }
    #expect(error?.missingRight?.operation == "Describe")
    #expect(error?.description.contains("the user has no Describe right on topic images") == true)
  }

  @Test("a refused commit names the group") func refusedCommitNamesGroup() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let consumer = try KafkaConsumer(settings(cluster, ["group.id": "storers"]), topic: "images")
    defer { consumer.unsubscribeAndClose() }
    cluster.failNextRequests(api: 8, errors: [30])
    let error = #expect(throws: KafkaError.self) {
      try consumer.commitAndWait([0: 1], timeout: patience)
    }
    #expect(error?.missingRight?.description.contains("no Read right on group storers") == true)
    #expect(error?.missingRight?.description.contains("--operation Read --group storers") == true)
  }

  @Test("the rights to create a topic and to be idempotent are named") func createAndIdempotenceAreNamed() {
    let create = MissingRight(.init(rawValue: 29), .create("images"), user: nil)
    #expect(create?.description.contains("--operation Create --topic images") == true)
    let cluster = MissingRight(.init(rawValue: 31), .create("images"), user: nil)
    #expect(cluster?.description.contains("--operation Create --cluster") == true)
    let producer = MissingRight(.init(rawValue: 31), .producerID, user: nil)
    #expect(producer?.description.contains("no IdempotentWrite right on the cluster") == true)
    let settings = MissingRight(.init(rawValue: 29), .describeSettings("images"), user: nil)
    #expect(settings?.operation == "DescribeConfigs")
  }

  @Test("another error is no missing right") func otherErrorIsNoMissingRight() throws {
    #expect(MissingRight(.init(rawValue: 3), .write("images"), user: nil) == nil)
    #expect(KafkaError(.init(rawValue: 3), "topic images").missingRight == nil)
  }
}
