import Synchronization

/// Counts how often a quantity was at most a given size: a Prometheus histogram, from which quantiles over time and
/// over several processes can be computed.
package final class Histogram: Sendable {
  /// The upper bounds of the buckets, ascending; a bucket without a bound follows.
  let bounds: [Double]
  private let state: Mutex<State>

  package struct State {
    /// The number of observations in each bucket alone, the bucket without a bound last.
    var counts: [Int]
    var sum = 0.0
  }

  package init(bounds: [Double]) {
    precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "the bounds of a histogram rise")
    self.bounds = bounds
    state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
  }

  /// Bounds for durations from a millisecond to ten minutes, in seconds.
  package static let seconds = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600,
  ]

  package func observe(_ value: Double) {
    let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
    state.withLock {
      $0.counts[bucket] += 1
      $0.sum += value
    }
  }

  var now: State { state.withLock { $0 } }
}
