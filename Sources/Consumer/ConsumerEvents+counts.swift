import Telemetry

extension ConsumerEvents {
  package struct Counts: Sendable {
    /// New images.
    package var images = 0
    package var bytes = 0
    /// Images that arrived again and were stored already.
    package var unchanged = 0
    /// Images that replaced another image of the same name.
    package var replaced = 0
    /// Images that were stored under another name, because another image has theirs.
    package var keptBoth = 0
    /// Older versions of images that have their rows already: in a catalog that `repair` rebuilt, or whose topic is
    /// read again.
    package var past = 0
    package var letters = 0
    /// Receipts that the broker has acknowledged.
    var receiptsSent = 0
    /// Receipts that are recorded and not acknowledged; nil if none are written.
    var receiptsWaiting: Int?
    /// Failed attempts to store a batch through a fault of the system. Each batch is tried again.
    var failedBatches = 0
    /// How often the group has fenced this consumer because another one has its identity.
    var fenced = 0
    /// Members of the group that belonged to another output or client at the last look.
    var strangers = 0
    /// Messages that wait for a batch. Between two transactions this includes those in prepared batches.
    var waiting = 0
    /// Messages of the assigned partitions that were not stored at the last look; nil before the first look.
    package var lag: Int?

    func addMetrics(to text: inout MetricsText) {
      text.counter("image_pipeline_images_stored_total", "New images that are durable.", Double(images))
      text.counter("image_pipeline_stored_bytes_total", "Their bytes.", Double(bytes))
      text.counter(
        "image_pipeline_images_unchanged_total", "Images that arrived again and were already stored.",
        Double(unchanged))
      text.counter(
        "image_pipeline_images_replaced_total", "Images that replaced another image of the same name.",
        Double(replaced))
      text.counter(
        "image_pipeline_images_kept_both_total",
        "Images stored under another name, because another image has that name.",
        Double(keptBoth))
      text.counter(
        "image_pipeline_failures_total",
        "What went wrong, by reason: messages that became dead letters, batches tried again, exclusions from the group by a "
          + "consumer of the same identity.",
        by: "reason", ["dead_letter": letters, "batch": failedBatches, "fenced": fenced])
      text.gauge(
        "image_pipeline_group_strangers",
        "Members of the group that belong to another output or client; images that they receive are missing here.",
        Double(strangers))
      text.gauge(
        "image_pipeline_waiting_messages", "Messages that have arrived and are not in a batch yet.", Double(waiting))
      if let lag {
        text.gauge(
          "image_pipeline_lag_messages", "Messages of this consumer's partitions that are not stored.", Double(lag))
      }
      if let receiptsWaiting {
        text.counter(
          "image_pipeline_receipts_sent_total",
          "Receipts that the broker has. Each covers the images of a transaction and partition.", Double(receiptsSent))
        text.gauge(
          "image_pipeline_receipts_waiting", "Receipts that are recorded and that the broker does not have yet.",
          Double(receiptsWaiting))
      }
    }
  }
}
