import TestSupport

@testable import Page
@testable import Platform
@testable import Telemetry

/// The metrics of a side, as it would write them.
struct SideMetrics {
  var kind: SideReading.Kind
  var images = 0
  var bytes = 0
  var deadLetters = 0
  var backlog = 0
  var receipts = 0
  var processorSeconds = 1.0
  var isReady = true
  /// The times of images, in seconds.
  var times: [Double] = []

  init(_ kind: SideReading.Kind, images: Int = 0) {
    self.kind = kind
    self.images = images
  }

  var text: String {
    var text = MetricsText()
    let histogram = Histogram(bounds: [0.1, 1, 10])
    for time in times { histogram.observe(time) }
    switch kind {
    case .producer:
      text.counter("image_pipeline_images_sent_total", "", Double(images))
      text.counter("image_pipeline_sent_bytes_total", "", Double(bytes))
      text.gauge("image_pipeline_waiting_files", "", 0)
      text.gauge("image_pipeline_left_images", "", Double(backlog))
      text.gauge("image_pipeline_images_waiting_for_receipt", "", Double(receipts))
      text.histogram("image_pipeline_receipt_seconds", "", histogram)
    case .consumer:
      text.counter("image_pipeline_images_stored_total", "", Double(images))
      text.counter("image_pipeline_stored_bytes_total", "", Double(bytes))
      text.counter("image_pipeline_failures_total", "", by: "reason", ["dead_letter": deadLetters])
      text.gauge("image_pipeline_lag_messages", "", Double(backlog))
      text.histogram("image_pipeline_end_to_end_seconds", "", histogram)
    }
    text.counter("process_cpu_seconds_total", "", processorSeconds)
    text.gauge("image_pipeline_ready", "", isReady ? 1 : 0)
    return text.text
  }

  var reading: SideReading { SideReading(MetricsReading(text))! }
}

/// Rounds of a table, two seconds apart.
struct SideRounds {
  var table = SideTable()
  private var milliseconds = 0

  /// - Parameters:
  ///   - reports: by `name` or `name/address`; nil is a side that does not answer.
  ///   - reasons: why sides are not ready.
  @discardableResult
  mutating func take(
    _ reports: [String: SideMetrics?], reasons: [String] = [], failures: [String: String] = [:], after: Int = 2_000
  ) -> NumberPoint {
    milliseconds += after
    let list = reports.sorted { $0.key < $1.key }.map { key, metrics in
      (side: Self.side(key), report: metrics.map { .reading($0.reading, reasons: reasons) } ?? SideTable.Report.silent)
    }
    return table.take(
      list, failures: Dictionary(uniqueKeysWithValues: failures.map { (Self.side($0.key).name, $0.value) }),
      at: moment(milliseconds))
  }

  static func side(_ key: String) -> SideAddress {
    let parts = key.split(separator: "/").map { String($0) }
    return SideAddress(name: TCPProbe.Address(host: parts[0], port: 8080), address: parts.last!)
  }
}
