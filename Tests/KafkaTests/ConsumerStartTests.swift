import Platform
import Testing

@testable import Kafka

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
}
