import Platform
import Synchronization

/// Checks whether this user may write to a topic, and writes nothing.
///
/// It sends a message that demands a number of acknowledgements that Kafka does not know. A broker checks the right to
/// write first, and then refuses such a message. librdkafka's embedded cluster would take it: do not ask it.
package enum WriteTrial {
  /// Kafka knows -1, 0 and 1.
  private static let acknowledgements = "2"
  private static let expectedRefusal = "INVALID_REQUIRED_ACKS"

  /// - Throws: why the topic cannot be written; with `isTimedOut` if no broker has answered.
  package static func run(
    _ settings: KafkaSettings, topic: String, partition: Int32, timeout: Duration
  ) throws(KafkaError) {
    // An idempotent producer has to demand all acknowledgements.
    var own = settings.without(
      "transactional.id", "enable.idempotence", "request.required.acks", "delivery.timeout.ms", "linger.ms")
    own.set("acks", acknowledgements)
    own.set("message.timeout.ms", String(max(1, timeout.inMilliseconds)))
    own.set("queue.buffering.max.ms", "0")
    own.set("message.send.max.retries", "0")
    own.set("allow.auto.create.topics", "false")
    // What matters becomes an error.
    own.onLog = { _, _, _ in }
    let outcome = Outcome()
    let producer = try KafkaProducer(own) { report in outcome.error.withLock { $0 = report.error } }
    defer { producer.close() }
    // An empty key: a compacted topic demands one. No value: who reads the topic ignores it.
    let key = UnsafeRawBufferPointer(start: nil, count: 0)
    _ = try producer.send(topic: topic, partition: partition, key: key, copying: nil, headers: [], token: 0)
    // The client itself reports the timeout.
    _ = producer.flush(timeout: timeout + .seconds(1))
    if let error = outcome.error.withLock({ $0 }), error.name != expectedRefusal { throw error }
  }

  private final class Outcome: Sendable {
    let error = Mutex<KafkaError?>(nil)
  }
}
