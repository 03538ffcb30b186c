/// Lets holders of numbers proceed one at a time, in the order of their numbers and on any thread.
package final class Turnstile: Sendable {
  private let monitor = Monitor(conditions: 1)
  // Accessed only under the monitor.
  nonisolated(unsafe) private var drawn = 0
  nonisolated(unsafe) private var next = 0

  package init() {}

  /// Draws the next number, starting at 0. Each holder must call `pass` exactly once: the holders of higher numbers
  /// wait for it.
  package func number() -> Int {
    monitor.locked {
      defer { drawn += 1 }
      return drawn
    }
  }

  /// Waits without limit until all lower numbers have passed, then runs `body`.
  package func pass<Result, Failure: Error>(
    _ number: Int, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    monitor.locked { _ = monitor.wait(for: 0, until: nil) { next == number } }
    defer {
      monitor.locked {
        next += 1
        monitor.wakeAll(0)
      }
    }
    return try body()
  }
}
