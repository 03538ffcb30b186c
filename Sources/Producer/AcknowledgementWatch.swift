import Cluster
import Platform
import Telemetry

/// Measures how long the broker has acknowledged nothing while messages wait for it. A message that it refuses is no sign of
/// life: only an acknowledgement is.
struct AcknowledgementWatch {
  private var acknowledged = 0
  private var since = Clock.monotonicMilliseconds

  /// A busy broker may take some seconds.
  private static let patience: Int64 = 15_000

  /// - Parameters:
  ///   - isWaiting: messages are on their way, or have to be sent again.
  ///   - acknowledged: how many messages the broker has taken so far.
  ///   - why: asked if something is wrong.
  /// - Returns: for how long messages have waited without an acknowledgement, in ms.
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
