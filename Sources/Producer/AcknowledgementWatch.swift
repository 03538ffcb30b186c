import Cluster
import Platform
import Telemetry

/// Measures how long the broker has acknowledged nothing while messages wait. Only an acknowledgement is a sign of
/// life; a refusal is not.
struct AcknowledgementWatch {
  private var acknowledged = 0
  private var since = MonotonicClock.now

  /// How long a silence may last before it is reported. A busy broker may take some seconds.
  private static let patience = Duration.seconds(15)

  /// - Parameters:
  ///   - isWaiting: messages are in flight, or have to be sent again.
  ///   - acknowledged: how many messages the broker has acknowledged so far.
  ///   - why: called if there is something to report.
  /// - Returns: how long messages have waited without an acknowledgement.
  @discardableResult
  mutating func look(
    isWaiting: Bool, acknowledged: Int, _ health: Health, now: MonotonicClock.Instant = .now,
    why: () -> BrokerTrouble? = { nil }
  ) -> Duration {
    if !isWaiting || acknowledged != self.acknowledged {
      self.acknowledged = acknowledged
      since = now
      health.well(.acknowledgements)
    } else if now - since >= Self.patience {
      let reason = why().map { ": \($0)" } ?? ""
      health.trouble(
        .acknowledgements, "none for \((now - since).components.seconds) s, with messages outstanding\(reason)")
    }
    return now - since
  }
}
