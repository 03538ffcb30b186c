import Cluster
import Platform
import Telemetry

/// Measures how long the broker has acknowledged nothing while messages wait. Only an acknowledgement is a sign of
/// life; a refusal is not.
struct AcknowledgementWatch {
  private var acknowledged = 0
  private var since = Clock.monotonicMilliseconds

  /// How long a silence may last before it is reported, in ms. A busy broker may take some seconds.
  private static let patience: Int64 = 15_000

  /// - Parameters:
  ///   - isWaiting: messages are in flight, or have to be sent again.
  ///   - acknowledged: how many messages the broker has acknowledged so far.
  ///   - why: called if there is something to report.
  /// - Returns: how long messages have waited without an acknowledgement, in ms.
  @discardableResult
  mutating func look(
    isWaiting: Bool, acknowledged: Int, _ health: Health, now: Int64 = Clock.monotonicMilliseconds,
    why: () -> BrokerTrouble? = { nil }
  ) -> Int64 {
    if !isWaiting || acknowledged != self.acknowledged {
      self.acknowledged = acknowledged
      since = now
      health.well(.acknowledgements)
    } else if now - since >= Self.patience {
      let reason = why().map { ": \($0)" } ?? ""
      health.trouble(.acknowledgements, "none for \((now - since) / 1000) s, and messages wait for them\(reason)")
    }
    return now - since
  }
}
