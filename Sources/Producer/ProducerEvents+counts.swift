import Telemetry

extension ProducerEvents {
  package struct Counts: Sendable {
    /// Files that were taken to be sent.
    package var found = 0
    /// Images that the broker and the ledger have.
    package var sent = 0
    /// The bytes of these images.
    package var bytes = 0
    /// Files that turned out to have been sent before.
    var known = 0
    /// Files whose line was already in the ledger. Each scan counts them again.
    var alreadySent = 0
    /// Files that could not be sent, without those that were sent or disappeared later.
    package var refused = 0
    /// All files that could not be sent, including those that were sent or disappeared later.
    var everRefused = 0
    var vanished = 0
    /// Images that were not acknowledged and are sent again, counted at each attempt.
    var failed = 0
    var ledgerFailures = 0
    /// Sent files that could not be moved or deleted.
    package var unhandled = 0
    /// Messages without an acknowledgement.
    var inFlight = 0
    /// Found files that wait to be read.
    var waiting = 0
    /// The tally of the last scan.
    package var tally = FileTally()
    /// Files that the broker refused. They are part of `refused`, and are tried again.
    var heldBack = 0
    /// Files that were taken and are not yet done with.
    var open: Int { max(0, found - sent - known - refused - vanished) }
    /// Images that wait: taken and not yet done with, or to be tried again later.
    package var left: Int { open + heldBack }

    func addMetrics(to text: inout MetricsText) {
      text.counter(
        "image_pipeline_images_sent_total", "Images that are acknowledged and in the ledger.", Double(sent))
      text.counter("image_pipeline_sent_bytes_total", "Their bytes.", Double(bytes))
      text.counter(
        "image_pipeline_images_known_total", "Files that turned out to have been sent before.", Double(known))
      text.counter(
        "image_pipeline_failures_total",
        "What went wrong, by reason: files that cannot be sent, images to be sent again, the ledger, files that stay after "
          + "sending.",
        by: "reason",
        [
          "refused": everRefused, "not_acknowledged": failed, "ledger": ledgerFailures,
          "after_sent": unhandled,
        ])
      text.gauge(
        "image_pipeline_passed_by_files", "Files of the input that are not sent, as of the last scan.",
        [
          ([("reason", "extension")], Double(tally.passedBy)), ([("reason", "excluded")], Double(tally.excluded)),
        ])
      text.gauge("image_pipeline_waiting_files", "Found files that wait to be read.", Double(waiting))
      text.gauge(
        "image_pipeline_left_images", "Images that are being sent, or wait for another attempt.",
        Double(left))
      text.gauge("image_pipeline_in_flight_messages", "Messages without an acknowledgement.", Double(inFlight))
    }
  }
}
