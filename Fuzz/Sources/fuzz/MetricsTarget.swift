@testable import Telemetry

/// Metrics of any content give finite values, and histograms with growing bounds and without negative counts. A line that
/// the reader understands gives the same value if it is read alone.
func fuzzMetrics(_ bytes: UnsafeRawBufferPointer) {
  let text = String(decoding: bytes, as: UTF8.self)
  let metrics = MetricsReading(text)
  for name in ["a", "image_pipeline_ready", "h", "h_bucket", "h_count"] {
    for labels in ["", "reason=\"x\"", "le=\"1\"", "le=\"+Inf\""] {
      guard let value = metrics.value(name, labels) else { continue }
      require(value.isFinite, "\(name){\(labels)} is \(value)")
      let line = labels.isEmpty ? "\(name) \(value)" : "\(name){\(labels)} \(value)"
      require(MetricsReading(line).value(name, labels) == value, line)
    }
  }
  let buckets = metrics.histogram("h")
  require(buckets.isEmpty || buckets.last?.bound == .infinity, "\(buckets)")
  for (lower, upper) in zip(buckets, buckets.dropFirst()) { require(lower.bound < upper.bound, "\(buckets)") }
  require(buckets.allSatisfy { $0.count >= 0 && !$0.bound.isNaN }, "\(buckets)")
}
