import Cluster
import Kafka
import Telemetry

/// Logs what the Kafka client reports: each error at most once a minute.
struct ClientReports {
  private let log: Log
  private let health: Health
  private let repetitions = Repetitions(interval: .seconds(60))

  init(log: Log, health: Health) {
    self.log = log
    self.health = health
  }

  /// - Parameter isWaiting: whether the group has assigned nothing yet.
  /// - Throws: the error itself if the client cannot continue after it.
  func report(_ error: KafkaError, isWaiting: Bool) throws {
    if error.isFatal { throw error }
    // An error that keeps the consumer out of the group is the reason why it is not ready.
    if isWaiting { health.trouble(.partitions, KafkaErrorFix.described(error)) }
    guard let unsaid = repetitions.note(error.name + error.context) else { return }
    log.warning(
      event: "kafka_error", "the Kafka client reports: \(KafkaErrorFix.described(error))",
      ["error": .name(of: error), "suppressed": .unlessZero(unsaid)])
  }
}
