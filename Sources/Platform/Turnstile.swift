/// Lets those who have drawn a number do something one at a time and in the order of their numbers, on whatever thread each
/// of them is.
package final class Turnstile: Sendable {
  private let monitor = Monitor(conditions: 1)
  // Touched under the monitor alone.
  nonisolated(unsafe) private var drawn = 0
  nonisolated(unsafe) private var next = 0

  package init() {}

  /// Draws the next number, from 0 on. Whoever has one must `pass` with it, once: those behind wait for that.
  package func number() -> Int {
    monitor.locked {
      defer { drawn += 1 }
      return drawn
    }
  }

  /// Waits until all numbers before have passed, without bound, and does it.
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
