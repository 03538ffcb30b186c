import Platform

/// Shows during long work that its consumer is alive, and ends the work if its result is not needed any more.
///
/// Reading an image of 30 GB takes minutes within one transaction. A consumer that shows nothing for a minute is
/// considered dead, and one that does not poll for `max.poll.interval.ms` is removed from its group.
package final class Heartbeat {
  /// The work is to stop.
  struct GivenUp: Error {}

  private let interval: Int64
  private let goesOn: () -> Bool
  private var next: Int64

  /// - Parameters:
  ///   - milliseconds: the pause between the end of one call of `goesOn` and the next call.
  ///   - goesOn: polls; returns false if the work is to stop.
  init(every milliseconds: Int, goesOn: @escaping () -> Bool) {
    interval = Int64(milliseconds)
    self.goesOn = goesOn
    next = Clock.monotonicMilliseconds + interval
  }

  /// Calls `goesOn` if it is due. To be called often.
  func beat() throws(GivenUp) {
    guard Clock.monotonicMilliseconds >= next else { return }
    defer { next = Clock.monotonicMilliseconds + interval }
    if !goesOn() { throw GivenUp() }
  }
}
