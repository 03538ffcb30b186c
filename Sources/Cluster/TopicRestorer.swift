package import Configuration
import Kafka
package import Platform
import Telemetry

/// Re-creates a topic that was deleted while a producer or consumer runs, or reports what prevents that.
package struct TopicRestorer {
  private let connection: BrokerConnection
  private let topic: String
  private let wanted: NewTopic
  /// The id of the cluster that the topic belongs to.
  private let cluster: String
  /// When to look for the topic next; nil while the topic is assumed to exist.
  private var due: MonotonicClock.Instant?
  private var backoff = Backoff(from: .seconds(2), to: .seconds(30))
  private let reports = Repetitions(interval: .seconds(60))

  /// The timeout of one request. The caller does nothing else during a request.
  package static let patience = Duration.milliseconds(2_500)

  package init(_ connection: BrokerConnection, topic: String, wanted: NewTopic, cluster: String) {
    self.connection = connection
    self.topic = topic
    self.wanted = wanted
    self.cluster = cluster
  }

  package var isMissing: Bool { due != nil }

  /// Records that the broker does not know the topic, or a partition of it. The first try comes a little later: an
  /// operator who deletes a topic may re-create it with other settings.
  package mutating func noteMissing(now: MonotonicClock.Instant = .now) {
    guard due == nil else { return }
    backoff.succeeded()
    due = now + backoff.failed()
  }

  /// Looks for the topic when that is due, and creates it if it does not exist.
  /// - Parameter use: called when the topic exists, so that the clients use it at once.
  /// - Returns: true if the topic exists again.
  /// - Throws: `ClusterChanged` if the address leads to a different cluster.
  package mutating func restore(now: MonotonicClock.Instant = .now, use: () throws -> Void) throws -> Bool {
    guard let due, now >= due else { return false }
    do {
      // A different cluster at the old address has nothing of what the old one had.
      let found = try connection.client.clusterID(timeout: Self.patience)
      guard found == cluster else { throw ClusterChanged(before: cluster, now: found) }
      try connection.createIfMissing(topic, as: wanted, timeout: Self.patience)
      try use()
      self.due = nil
      connection.health.well(.topic)
      return true
    } catch let error as ClusterChanged {
      connection.health.well(.topic)
      throw error
    } catch {
      let reason = Disposition(of: error) == .transient ? "\(error)" : KafkaErrorFix.described(error)
      let delay = backoff.failed()
      self.due = MonotonicClock.now + delay
      connection.health.trouble(.topic, reason)
      if reports.note(reason) != nil {
        connection.log.warning(
          event: "topic_missing", "the topic is missing, and finding or creating it fails: \(reason)",
          ["topic": .string(topic), "error": .name(of: error), "retry_ms": .of(delay.inMilliseconds)])
      }
      return false
    }
  }
}

/// The bootstrap address leads to a different cluster than before. Ledger and catalog have no records of that cluster.
package struct ClusterChanged: Error, CustomStringConvertible {
  let before: String
  let now: String
  package var description: String { "KAFKA_BOOTSTRAP_SERVERS now leads to cluster \(now) instead of \(before)" }
}
