import Platform

/// Counts how often the group fences this consumer because another one has its identity.
///
/// A single fencing may be a fault of the client or of the network: librdkafka's own commit may arrive between two of
/// its sessions. A second one within a minute means that another consumer takes turns with this one. The slot's lock
/// keeps all consumers of this output apart, so the other consumer uses a copy of the output.
struct FenceWatch {
  private var times: [MonotonicClock.Instant] = []

  static let window = Duration.seconds(60)
  /// The delay before the group is joined again. It doubles each time, so that two consumers that really fight get longer
  /// turns.
  static let firstDelay = Duration.seconds(1)
  private static let longestDelay = Duration.seconds(15)

  /// - Returns: how long to wait, and whether this is not the first time within the window.
  mutating func fenced(at now: MonotonicClock.Instant) -> (delay: Duration, isRepeated: Bool) {
    times = times.filter { now - $0 < Self.window } + [now]
    return (min(Self.firstDelay * (1 << min(times.count - 1, 10)), Self.longestDelay), times.count > 1)
  }
}
