/// The wait before a failed operation is tried again: half a second at first, doubling each time, at most half a
/// minute.
struct RetryDelay: Equatable {
  private var failures = 0

  var hasFailed: Bool { failures > 0 }

  mutating func failed() -> Duration {
    defer { failures += 1 }
    return min(.milliseconds(500) * (1 << min(failures, 10)), .seconds(30))
  }
}
