import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// How soon a consumer works: the library has avoidable waits of half a second and of one second.
@Suite(.ownThread) struct ConsumerStartTests {
  /// To read from the beginning, the library would ask half a second later.
  @Test("a partition is read from its beginning by offset, without the library's delay") func beginningIsAnOffset()
    throws
  {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    try fill(cluster, "images", partition: 1, ["a"])
    let consumer = try KafkaConsumer(groupSettings(cluster, group: "g"), topic: "images")
    defer { consumer.unsubscribeAndClose() }
    consumer.onAssigned = { _ in [1: .at(1)] }
    try consumer.subscribe()
    #expect(
      eventually {
        _ = consumer.poll(maximum: 1, timeout: .milliseconds(20))
        return !consumer.assignment.isEmpty
      })
    #expect(consumer.positions == [0: 0, 1: 1])
  }

  @Test("the cluster id is known at once") func clusterIsKnownAtOnce() throws {
    let cluster = try EmbeddedCluster()
    // Every third one used to wait.
    let slow = try (0..<12).count { number in
      let consumer = try KafkaConsumer(groupSettings(cluster, group: "g\(number)"), topic: "images")
      defer { consumer.unsubscribeAndClose() }
      let begun = ContinuousClock.now
      _ = try consumer.clusterID(timeout: patience)
      return ContinuousClock.now - begun > .milliseconds(900)
    }
    #expect(slow <= 1)
  }

  @Test("partitions assigned without a group are read like a group's") func partitionsNeedNoGroup() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    try fill(cluster, "images", partition: 0, ["a", "b"])
    try fill(cluster, "images", partition: 1, ["c"])
    // JoinGroup fails: the broker admits nobody.
    cluster.failNextRequests(api: 11, errors: Array(repeating: 15, count: 1_000))
    let consumer = try KafkaConsumer(groupSettings(cluster, group: "g"), topic: "images")
    defer { consumer.unsubscribeAndClose() }
    var revoked: [Int32] = []
    consumer.onAssigned = { $0 == [0, 1] ? [0: .at(1)] : [:] }
    consumer.onRevoked = { revoked = $0 }
    try consumer.assign([0, 1])
    #expect(consumer.assignment == [0, 1])
    var seen = Seen()
    seen.poll(consumer) { $0.messages.count == 2 && $0.ends.count == 2 }
    #expect(seen.texts.sorted() == ["b", "c"] && seen.ends == [0: 2, 1: 1])
    try fill(cluster, "images", partition: 1, ["d"])
    seen.poll(consumer) { $0.messages.count == 3 }
    #expect(seen.texts.contains("d"))
    try consumer.commitAndWait([0: 2, 1: 2], timeout: patience)
    #expect(try consumer.committed(partitions: [0, 1], timeout: patience) == [0: 2, 1: 2])
    consumer.unsubscribeAndClose()
    #expect(revoked == [0, 1])
  }
}
