import Platform

/// Shows during long work that its consumer is alive, and ends the work if its result is not needed any more.
///
/// Reading an image of 30 GB takes minutes within one transaction. A consumer that shows nothing for a minute is
/// considered dead, and one that does not poll for `max.poll.interval.ms` is removed from its group.
package final class Heartbeat {
  /// The work is to stop.
  package struct GivenUp: Error {}

  private let interval: Duration
  private let goesOn: () -> Bool
  private var next: MonotonicClock.Instant

  /// - Parameters:
  ///   - interval: the pause between the end of one call of `goesOn` and the next call.
  ///   - goesOn: polls; returns false if the work is to stop.
  package init(every interval: Duration, goesOn: @escaping () -> Bool) {
    self.interval = interval
    self.goesOn = goesOn
    next = MonotonicClock.now + interval
  }

  /// Calls `goesOn` if it is due. To be called often.
  package func beat() throws(GivenUp) {
    guard MonotonicClock.now >= next else { return }
    defer { next = MonotonicClock.now + interval }
    if !goesOn() { throw GivenUp() }
  }
}
