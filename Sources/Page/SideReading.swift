import Telemetry

/// What the metrics of a producer or consumer say at one moment.
struct SideReading: Sendable {
  enum Kind: String, Sendable { case producer, consumer }

  let kind: Kind
  let isReady: Bool
  /// What only grows while the process runs.
  private let counters: [Double]
  /// Images that were sent or stored since the process started, and their bytes.
  var images: Double { counters[0] }
  var bytes: Double { counters[1] }
  /// Observations in each bucket alone, by the bucket's upper bound: a producer's times from file to receipt, a consumer's
  /// from sending to being stored, in seconds.
  let buckets: [Double: Double]
  /// Images that a producer has not sent, or messages that a consumer has not stored.
  let backlog: Double?
  /// Images that wait for receipts.
  let receipts: Double?

  /// A value beyond it is not believed.
  private static let most = 1e15
  private static let mostBuckets = 64

  /// - Returns: nil if these are not the metrics of a producer or consumer.
  init?(_ metrics: MetricsReading) {
    func value(_ name: String, _ labels: String = "") -> Double? {
      metrics.value(name, labels).flatMap { (0...Self.most).contains($0) ? $0 : nil }
    }
    let histogram: String
    if let sent = value("image_pipeline_images_sent_total") {
      kind = .producer
      counters = [
        sent, value("image_pipeline_sent_bytes_total") ?? 0, 0, metrics.value("process_cpu_seconds_total") ?? 0,
      ]
      backlog = value("image_pipeline_left_images").map { $0 + (value("image_pipeline_waiting_files") ?? 0) }
      receipts = value("image_pipeline_images_waiting_for_receipt")
      histogram = "image_pipeline_receipt_seconds"
    } else if let stored = value("image_pipeline_images_stored_total") {
      kind = .consumer
      counters = [
        stored, value("image_pipeline_stored_bytes_total") ?? 0,
        value("image_pipeline_failures_total", "reason=\"dead_letter\"") ?? 0,
        metrics.value("process_cpu_seconds_total") ?? 0,
      ]
      backlog = value("image_pipeline_lag_messages")
      receipts = nil
      histogram = "image_pipeline_end_to_end_seconds"
    } else {
      return nil
    }
    isReady = value("image_pipeline_ready") == 1
    buckets = Dictionary(
      metrics.histogram(histogram).prefix(Self.mostBuckets)
        .filter { $0.bound == .infinity || (0...Self.most).contains($0.bound) }.map { ($0.bound, $0.count) },
      uniquingKeysWith: { $1 })
  }

  /// What was added between two readings.
  struct Increase: Sendable {
    var images = 0.0
    var bytes = 0.0
    var deadLetters = 0.0
    var buckets: [Double: Double] = [:]
  }

  /// - Returns: nil if the earlier reading is another kind of process's.
  func increase(since earlier: SideReading) -> Increase? {
    guard kind == earlier.kind else { return nil }
    // A process that was restarted counts from 0. So does one that took another one's address.
    let isRestarted =
      zip(counters, earlier.counters).contains { $0 < $1 }
      || earlier.buckets.contains { (buckets[$0.key] ?? 0) < $0.value }
    let before = isRestarted ? counters.map { _ in 0 } : earlier.counters
    var increase = Increase(
      images: counters[0] - before[0], bytes: counters[1] - before[1], deadLetters: counters[2] - before[2])
    for (bound, count) in buckets {
      increase.buckets[bound] = count - (isRestarted ? 0 : earlier.buckets[bound] ?? 0)
    }
    return increase
  }
}

/// Estimates quantiles from the buckets of a histogram.
enum Quantile {
  /// - Parameters:
  ///   - buckets: observations in each bucket alone, by its upper bound.
  ///   - share: 0.5 for the median.
  /// - Returns: nil without observations. In the first bucket its bound, which is the most that can be known; in the bucket
  ///   without a bound, the largest bound.
  static func of(_ buckets: [Double: Double], _ share: Double) -> Double? {
    let all = buckets.sorted { $0.key < $1.key }
    let total = all.reduce(0) { $0 + $1.value }
    guard total > 0 else { return nil }
    var below = 0.0
    var lower: Double?
    for (bound, count) in all {
      if count > 0, below + count >= share * total {
        guard bound.isFinite else { return lower }
        guard let lower else { return bound }
        return lower + (bound - lower) * (share * total - below) / count
      }
      below += count
      lower = bound
    }
    return lower
  }
}
