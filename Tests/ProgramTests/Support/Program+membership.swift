import TestSupport
import Testing

@testable import Platform

/// A consumer's membership in its group.
extension Program {
  /// Its log lines about assignments, in order.
  private var said: [LogEntry] { events("partitions_assigned") }

  var assignments: Int { said.count }
  var hasPartition: Bool { said.last?.fields["partitions"] == "0" }

  /// Whether its client has left the group because nobody polled within `KAFKA_MAX_POLL_INTERVAL_MS`.
  var wasExpelled: Bool {
    hasEvent("librdkafka_log", ["facility": "MAXPOLL"]) || hasEvent("kafka_error", ["error": "_MAX_POLL_EXCEEDED"])
  }
}

extension Broker {
  /// Heartbeats continue by themselves; only this limit expels a member that does not poll. The lowest value for a
  /// session of 6 s; the default is 5 minutes.
  static let shortPollInterval = ["KAFKA_MAX_POLL_INTERVAL_MS": "6000"]
}

/// Expects that nothing changes for more than twice `Broker.shortPollInterval` and that the consumer stays in its
/// group. Its client reports missing polls at the next poll, so check `wasExpelled` afterwards.
func expectKeptWaiting(
  _ consumer: Program, sourceLocation: SourceLocation = #_sourceLocation, while isWaiting: () throws -> Bool
) {
  let assignments = consumer.assignments
  let isStill = throughout(.seconds(15)) { try isWaiting() && !consumer.hasEnded }
  #expect(isStill && consumer.assignments == assignments, "\(consumer.output)", sourceLocation: sourceLocation)
}
