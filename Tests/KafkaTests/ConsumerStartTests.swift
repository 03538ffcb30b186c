import Testing

@testable import Kafka
@testable import Platform

/// How soon a consumer is at work: the library has waits of its own, of half a second and of one, that need not be.
@Suite(.ownThread) struct ConsumerStartTests {
  /// Told to read it from its beginning, the library asks for that half a second later.
  @Test func aPartitionThatIsReadFromItsBeginningIsReadFromAnOffset() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    try fill(cluster, "images", partition: 1, ["a"])
    let consumer = try KafkaConsumer(groupSettings(cluster, group: "g"), topic: "images")
    defer { consumer.unsubscribeAndClose() }
    consumer.onAssigned = { _ in [1: .at(1)] }
    try consumer.subscribe()
    #expect(
      eventually {
        _ = consumer.poll(maximum: 1, timeoutMilliseconds: 20)
        return !consumer.assignment.isEmpty
      })
    #expect(consumer.positions == [0: 0, 1: 1])
  }

  @Test func theClusterIsKnownAtOnce() throws {
    let cluster = try EmbeddedCluster()
    // The wait was in every third.
    let slow = try (0..<12).count { number in
      let consumer = try KafkaConsumer(groupSettings(cluster, group: "g\(number)"), topic: "images")
      defer { consumer.unsubscribeAndClose() }
      let begun = Clock.monotonicMilliseconds
      _ = try consumer.clusterID(timeoutMilliseconds: patience)
      return Clock.monotonicMilliseconds - begun > 900
    }
    #expect(slow <= 1)
  }

  @Test("partitions that are assigned without a group are read like a group's") func readsWithoutAGroup() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    try fill(cluster, "images", partition: 0, ["a", "b"])
    try fill(cluster, "images", partition: 1, ["c"])
    // JoinGroup: the broker would admit nobody.
    cluster.failNextRequests(api: 11, errors: Array(repeating: 15, count: 1_000))
    let consumer = try KafkaConsumer(groupSettings(cluster, group: "g"), topic: "images")
    defer { consumer.unsubscribeAndClose() }
    var revoked: [Int32] = []
    consumer.onAssigned = { $0 == [0, 1] ? [0: .at(1)] : [:] }
    consumer.onRevoked = { partitions, _ in revoked = partitions }
    try consumer.assign([0, 1])
    #expect(consumer.assignment == [0, 1])
    var seen = Seen()
    seen.poll(consumer) { $0.messages.count == 2 && $0.ends.count == 2 }
    #expect(seen.texts.sorted() == ["b", "c"] && seen.ends == [0: 2, 1: 1])
    try fill(cluster, "images", partition: 1, ["d"])
    seen.poll(consumer) { $0.messages.count == 3 }
    #expect(seen.texts.contains("d"))
    try consumer.commitAndWait([0: 2, 1: 2], timeoutMilliseconds: patience)
    #expect(try consumer.committed(partitions: [0, 1], timeoutMilliseconds: patience) == [0: 2, 1: 2])
    consumer.unsubscribeAndClose()
    #expect(revoked == [0, 1])
  }
}
