import Platform

/// Notices that the broker acknowledges nothing of what it was sent: it is away, or too few replicas are there.
struct AcknowledgementWatch {
  private var settled = 0
  private var since = Clock.monotonicMilliseconds

  /// A busy broker may take some seconds.
  private static let patience: Int64 = 15_000

  /// - Parameter why: asked where something is wrong.
  mutating func look(
    at outbox: Outbox, _ health: Health, now: Int64 = Clock.monotonicMilliseconds, why: () -> BrokerTrouble? = { nil }
  ) {
    if outbox.inFlight == 0 || outbox.settled != settled {
      settled = outbox.settled
      since = now
      health.well(.acknowledgements)
    } else if now - since >= Self.patience {
      let reason = why().map { ": \($0)" } ?? ""
      health.trouble(.acknowledgements, "none for \((now - since) / 1000) s, and messages wait for them\(reason)")
    }
  }
}
