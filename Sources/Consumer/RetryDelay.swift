/// How long to wait before something that failed is tried again: half a second, twice as long each time, half a minute at
/// most.
struct RetryDelay: Equatable {
  private var failures = 0

  var hasFailed: Bool { failures > 0 }

  mutating func failed() -> Duration {
    defer { failures += 1 }
    return min(.milliseconds(500) * (1 << min(failures, 10)), .seconds(30))
  }
}
