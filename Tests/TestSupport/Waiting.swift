import Glibc
package import Platform

/// Waits until a condition holds. Returns whether it did within the bound.
///
/// The bound is far beyond what anything takes: a busy machine is slow, not wrong. A condition that throws does not hold yet.
/// Sanitizers stretch the bound.
package func eventually(
  within bound: Duration = .seconds(30), every interval: Duration = .milliseconds(5), _ condition: () throws -> Bool
) -> Bool {
  let deadline = ContinuousClock.now + bound * Sanitizer.slowness
  while true {
    let isLast = ContinuousClock.now >= deadline
    do {
      if try condition() { return true }
    } catch {
      if isLast { print("the condition still throws: \(error)") }
    }
    if isLast { return false }
    pause(interval)
  }
}

/// Whether a condition holds for a whole span, its end included; returns as soon as it does not.
package func throughout(_ span: Duration, _ condition: () throws -> Bool) -> Bool {
  let end = ContinuousClock.now + span
  while true {
    let rest = end - .now
    if (try? condition()) != true { return false }
    if rest <= .zero { return true }
    pause(min(rest, .milliseconds(50)))
  }
}

/// Lets a span pass. For the rhythm of what a test does, never to wait for something.
package func pause(_ span: Duration) {
  let (seconds, attoseconds) = span.components
  var span = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
  var rest = timespec()
  while nanosleep(&span, &rest) != 0, errno == EINTR { span = rest }
}

private let beginning = MonotonicClock.now

/// A moment for tests that pass the time in themselves.
/// - Parameter milliseconds: after a moment that is the same for the whole run.
package func moment(_ milliseconds: Int) -> MonotonicClock.Instant { beginning + .milliseconds(milliseconds) }
