import Kafka
import Platform
import Testing

/// How soon a consumer is at work: the library has waits of its own, of half a second and of one, that need not be.
@Suite(.ownThread) struct ConsumerStartTests {
  @Test func theFirstMessageComesAtOnceWhereAPartitionIsReadFromItsBeginning() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    try fill(cluster, "images", ["a"])
    // Whatever else the machine does, in one of them it shows: the wait would be in each.
    let isAtOnce = try (0..<5).contains { number in
      let consumer = try KafkaConsumer(groupSettings(cluster, group: "g\(number)"), topic: "images")
      defer { consumer.unsubscribeAndClose() }
      var assigned: Int64 = 0
      consumer.onAssigned = { _ in
        assigned = Clock.monotonicMilliseconds
        return [:]
      }
      try consumer.subscribe()
      var seen = Seen()
      seen.poll(consumer) { !$0.messages.isEmpty }
      return Clock.monotonicMilliseconds - assigned < 400
    }
    #expect(isAtOnce)
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
