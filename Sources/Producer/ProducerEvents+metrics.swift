package import Telemetry

extension ProducerEvents {
  /// - Parameter disks: the paths that the producer writes to, each with the role of what is written there.
  package func addMetrics(to text: inout MetricsText, disks: [(role: String, path: String)]) {
    let now = now
    text.counter(
      "image_pipeline_images_sent_total", "Images that are acknowledged and in the ledger.", Double(now.sent))
    text.counter("image_pipeline_sent_bytes_total", "Their bytes.", Double(now.bytes))
    text.counter(
      "image_pipeline_images_known_total", "Files that turned out to have been sent before.", Double(now.known))
    text.counter(
      "image_pipeline_failures_total",
      "What went wrong, by reason: files that cannot be sent, images to be sent again, the ledger, files that stay after "
        + "sending.",
      by: "reason",
      [
        "refused": now.everRefused, "not_acknowledged": now.failed, "ledger": now.ledgerFailures,
        "after_sent": now.unhandled,
      ])
    text.gauge(
      "image_pipeline_passed_by_files", "Files of the input that are not sent, as of the last scan.",
      [
        ([("reason", "extension")], Double(now.tally.passedBy)), ([("reason", "excluded")], Double(now.tally.excluded)),
      ])
    text.gauge("image_pipeline_waiting_files", "Found files that wait to be read.", Double(now.waiting))
    text.gauge(
      "image_pipeline_left_images", "Images that are being sent, or wait for another attempt.",
      Double(now.left))
    text.gauge("image_pipeline_in_flight_messages", "Messages without an acknowledgement.", Double(now.inFlight))
    text.histogram(
      "image_pipeline_send_seconds", "Time from reading an image until it is acknowledged and in the ledger.",
      sendSeconds)
    text.disks(disks)
  }
}
