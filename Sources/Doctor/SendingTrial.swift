import Kafka
import Platform
import Telemetry

/// A producer that sends nothing. It shows whether its settings are consistent, and whether the brokers let this user
/// produce: an idempotent producer asks for its id at once, which requires the right to write.
final class SendingTrial {
  private let producer: KafkaProducer
  private let begun = MonotonicClock.now
  /// The longest wait for the brokers' answer.
  private static let patience = Duration.seconds(2)

  /// - Throws: if the settings contradict one another.
  init(_ settings: KafkaSettings) throws(KafkaError) {
    var own = settings
    own.set("allow.auto.create.topics", "false")
    own.onLog = { _, _, _ in }
    producer = try KafkaProducer(own) { _ in }
  }

  func close() { producer.close() }

  /// Waits as long as an answer may still arrive. Most of that time has passed with other questions.
  func finding(stop: StopFlag) -> Finding? {
    while producer.fatalError == nil, MonotonicClock.now - begun < Self.patience {
      if stop.wait(for: .milliseconds(50)) { return nil }
    }
    guard let error = producer.fatalError else { return nil }
    return .problem("sending_permitted", error, before: "a producer cannot send here", cure: "look at the broker's log")
  }
}
