import Platform

/// Shows in the midst of long work that its consumer lives, and ends the work where nobody wants its outcome any more.
///
/// An image of 30 GB is read for minutes within one transaction. A consumer that says nothing for a minute is taken for
/// dead, and one that does not poll for `max.poll.interval.ms` is put out of its group.
package final class Heartbeat {
  /// The work is to end.
  struct GivenUp: Error {}

  private let interval: Int64
  private let goesOn: () -> Bool
  private var next: Int64

  /// - Parameters:
  ///   - milliseconds: between two calls of `goesOn`, which takes its time itself.
  ///   - goesOn: polls; returns false where the work is to end.
  init(every milliseconds: Int, goesOn: @escaping () -> Bool) {
    interval = Int64(milliseconds)
    self.goesOn = goesOn
    next = Clock.monotonicMilliseconds + interval
  }

  /// To be called often.
  func beat() throws(GivenUp) {
    guard Clock.monotonicMilliseconds >= next else { return }
    defer { next = Clock.monotonicMilliseconds + interval }
    if !goesOn() { throw GivenUp() }
  }
}
