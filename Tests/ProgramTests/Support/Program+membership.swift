import Testing

@testable import Platform

/// A consumer as its group sees it.
extension Program {
  /// The words on its assignments, the last one last.
  private var said: [Substring] {
    output.split(separator: "\n").filter { $0.contains("partitions assigned") }
  }

  var assignments: Int { said.count }
  var hasPartition: Bool { said.last?.hasSuffix("partitions=0") == true }

  /// Its client has left the group, because nobody polled for longer than `KAFKA_MAX_POLL_INTERVAL_MS`.
  var wasExpelled: Bool { output.contains("maximum poll interval") }
}

extension Broker {
  /// Heartbeats go on by themselves, whatever the application does: only this expels a member that does not poll. The
  /// least that a session of 6 s permits, where the library's own is 5 minutes.
  static let shortPollInterval = ["KAFKA_MAX_POLL_INTERVAL_MS": "6000"]
}

/// Expects that nothing changes for more than twice `Broker.shortPollInterval`, and that the consumer is in its group all
/// the while. Whether it polled, its client says at the next poll: what comes after has to look at `wasExpelled`.
func expectKeptWaiting(
  _ consumer: Program, sourceLocation: SourceLocation = #_sourceLocation, while isWaiting: () throws -> Bool
) {
  let assignments = consumer.assignments
  let isStill = throughout(seconds: 15) { try isWaiting() && !consumer.hasEnded }
  #expect(isStill && consumer.assignments == assignments, "\(consumer.output)", sourceLocation: sourceLocation)
}
