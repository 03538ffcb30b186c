package import Configuration
import Kafka
import Platform
import Telemetry

/// Re-creates a topic that was deleted while a producer or consumer runs, or reports what prevents that.
package struct TopicRestorer {
  private let connection: BrokerConnection
  private let topic: String
  private let wanted: NewTopic
  /// The id of the cluster that the topic belongs to.
  private let cluster: String
  /// When to look for the topic next, by the monotonic clock, in ms; nil while the topic is assumed to exist.
  private var due: Int64?
  private var delay = Self.grace
  private let reports = Repetitions(intervalMilliseconds: 60_000)

  /// The wait before the first try, in ms: time for an operator who deletes a topic to re-create it with other
  /// settings.
  private static let grace: Int64 = 2_000
  private static let longestDelay: Int64 = 30_000
  /// The timeout of one request, in ms. The caller does nothing else during a request.
  package static let patience = 2_500

  package init(_ connection: BrokerConnection, topic: String, wanted: NewTopic, cluster: String) {
    self.connection = connection
    self.topic = topic
    self.wanted = wanted
    self.cluster = cluster
  }

  package var isMissing: Bool { due != nil }

  /// Records that the broker does not know the topic, or a partition of it.
  package mutating func noteMissing(now: Int64 = Clock.monotonicMilliseconds) {
    if due == nil { (due, delay) = (now + Self.grace, Self.grace) }
  }

  /// Looks for the topic when that is due, and creates it if it does not exist.
  /// - Parameter use: called when the topic exists, so that the clients use it at once.
  /// - Returns: true if the topic exists again.
  /// - Throws: `ClusterChanged` if the address leads to a different cluster.
  package mutating func restore(now: Int64 = Clock.monotonicMilliseconds, use: () throws -> Void) throws -> Bool {
    guard let due, now >= due else { return false }
    do {
      // A different cluster at the old address has nothing of what the old one had.
      let found = try connection.client.clusterID(timeoutMilliseconds: Self.patience)
      guard found == cluster else { throw ClusterChanged(before: cluster, now: found) }
      try connection.createIfMissing(topic, as: wanted, timeoutMilliseconds: Self.patience)
      try use()
      self.due = nil
      connection.health.well(.topic)
      return true
    } catch let error as ClusterChanged {
      connection.health.well(.topic)
      throw error
    } catch {
      let reason = (error as? KafkaError).map { $0.isRetriable ? "\($0)" : KafkaErrorFix.described($0) } ?? "\(error)"
      delay = min(2 * delay, Self.longestDelay)
      self.due = Clock.monotonicMilliseconds + delay
      connection.health.trouble(.topic, reason)
      if reports.unsaid(of: reason) != nil {
        connection.log.warning(
          "the topic is missing, and looking for it or creating it fails: \(reason)",
          ["event": "topic_missing", "topic": .string(topic), "retry_ms": .of(delay)])
      }
      return false
    }
  }
}

/// The bootstrap address leads to a different cluster than before. Ledger and catalog have no records of that cluster.
package struct ClusterChanged: Error, CustomStringConvertible {
  let before: String
  let now: String
  package var description: String { "the address leads to the cluster \(now), and before to \(before)" }
}
