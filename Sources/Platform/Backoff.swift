/// The wait before a failed operation is tried again. It doubles with each failure in a row.
package struct Backoff: Equatable, Sendable {
  private let first: Duration
  private let longest: Duration
  private var failures = 0

  package init(from first: Duration, to longest: Duration) {
    self.first = first
    self.longest = longest
  }

  package var hasFailed: Bool { failures > 0 }

  /// Records a failure, and returns how long to wait now.
  package mutating func failed() -> Duration {
    defer { failures += 1 }
    // Ten doublings are more than any of the limits allows.
    return min(first * (1 << min(failures, 10)), longest)
  }

  /// Records a success: the next failure is the first one again.
  package mutating func succeeded() { failures = 0 }
}
