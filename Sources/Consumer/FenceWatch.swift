/// Counts how often the group shuts this consumer out because another one has its identity.
///
/// Once may be a fault of the client or of the network: librdkafka's own commit may arrive between two of its sessions. Again
/// within a minute means that another consumer takes turns with this one. The slot's lock keeps all consumers of this output
/// apart, so that one has a copy of the output.
struct FenceWatch {
  private var times: [Int64] = []

  static let window: Int64 = 60_000
  /// Before the group is joined again, in ms: at first, and at most. Two that really fight get longer turns.
  static let delays = 1_000...15_000

  /// - Parameter now: ms, by the monotonic clock.
  /// - Returns: how long to wait, in ms, and whether it happens again and again.
  mutating func fenced(at now: Int64) -> (delay: Int, isRepeated: Bool) {
    times = times.filter { now - $0 < Self.window } + [now]
    let delay = Self.delays.lowerBound << min(times.count - 1, 10)
    return (min(delay, Self.delays.upperBound), times.count > 1)
  }
}
