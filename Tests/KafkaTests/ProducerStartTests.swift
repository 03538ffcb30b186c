import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// How soon a producer's first message is on its way.
@Suite(.ownThread) struct ProducerStartTests {
  /// The library checks unknown topics once a second. The first message to a topic used to wait for that check if the
  /// producer was already connected.
  @Test("the first message to a topic does not wait for a timer of the library") func firstMessageLeavesAtOnce() throws
  {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("other", partitions: 1)
    try cluster.createTopic("images", partitions: 4)
    let waits = try (0..<6).map { _ in
      let producer = try KafkaProducer(settings(cluster, ["linger.ms": "2"])) { _ in }
      defer { producer.close() }
      try producer.sendText("other", nil, "connects")
      #expect(producer.flush(timeout: patience))
      let begun = ContinuousClock.now
      try producer.sendText("images", nil, "first")
      #expect(producer.flush(timeout: patience))
      return ContinuousClock.now - begun
    }
    // On a busy machine some may wait for a processor.
    #expect(waits.sorted()[2] < .milliseconds(400), "\(waits)")
  }
}
