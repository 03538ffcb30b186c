import Platform

/// When the catalog is asked again that could not be read or written.
struct Renewal {
  var next: Int64 = 0
  private var delay = 0

  /// Returns after how many ms.
  mutating func postpone() -> Int {
    delay = delay == 0 ? 500 : min(delay * 2, 30_000)
    next = Clock.monotonicMilliseconds + Int64(delay)
    return delay
  }

  /// Returns whether there was a failure before.
  mutating func isOver() -> Bool {
    defer { self = Renewal() }
    return delay > 0
  }
}
