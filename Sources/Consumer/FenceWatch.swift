/// Counts how often the group fences this consumer because another one has its identity.
///
/// A single fencing may be a fault of the client or of the network: librdkafka's own commit may arrive between two of
/// its sessions. A second one within a minute means that another consumer takes turns with this one. The slot's lock
/// keeps all consumers of this output apart, so the other consumer uses a copy of the output.
struct FenceWatch {
  private var times: [Int64] = []

  static let window: Int64 = 60_000
  /// The delay before the group is joined again, in ms: the first one and the longest one. It doubles each time, so
  /// that two consumers that really fight get longer turns.
  static let delays = 1_000...15_000

  /// - Parameter now: ms, by the monotonic clock.
  /// - Returns: how long to wait, in ms, and whether this is not the first time within the window.
  mutating func fenced(at now: Int64) -> (delay: Int, isRepeated: Bool) {
    times = times.filter { now - $0 < Self.window } + [now]
    let delay = Self.delays.lowerBound << min(times.count - 1, 10)
    return (min(delay, Self.delays.upperBound), times.count > 1)
  }
}
