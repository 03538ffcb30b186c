import Platform
import Telemetry

/// Measures how long a consumer has stored nothing while messages wait for it. Activity does not count as success:
/// batches that fail, fetches that are refused and a leader that does not answer keep a consumer busy, too.
struct StoringWatch {
  private var stored: Int64 = 0
  private var epoch = 0
  private var since = MonotonicClock.now

  /// How long nothing may be stored, or a leader may leave questions unanswered, before that is reported. A
  /// large batch on a slow disk takes some seconds.
  static let patience = Duration.seconds(30)

  /// - Parameters:
  ///   - lag: messages that are not stored.
  ///   - stored: a value that grows with each stored batch.
  ///   - epoch: the epoch of the assignment.
  ///   - silence: a leader that does not answer; nil if all do.
  mutating func look(
    lag: Int, stored: Int64, epoch: Int, silence: LeaderInquiry.Silence? = nil, _ health: Health,
    now: MonotonicClock.Instant = .now
  ) {
    if lag == 0 || stored != self.stored || epoch != self.epoch {
      (self.stored, self.epoch, since) = (stored, epoch, now)
      health.well(.storing)
    } else if now - since >= Self.patience {
      health.trouble(
        .storing,
        "no message was stored for \((now - since).components.seconds) s; \(Quantity.grouped(lag)) \(lag == 1 ? "is" : "are") waiting"
      )
    }
    if let silence, now - silence.since >= Self.patience {
      health.trouble(
        .broker,
        "the leader of partition \(silence.partition) has not answered for \((now - silence.since).components.seconds) s: \(silence.reason)"
      )
    } else {
      health.well(.broker)
    }
  }
}
