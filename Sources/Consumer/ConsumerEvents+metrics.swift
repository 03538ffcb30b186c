package import Telemetry

extension ConsumerEvents {
  /// - Parameter disks: the paths that the consumer writes to, each with its role.
  package func addMetrics(to text: inout MetricsText, disks: [(role: String, path: String)]) {
    let now = now
    text.counter("image_pipeline_images_stored_total", "New images that are durable.", Double(now.images))
    text.counter("image_pipeline_stored_bytes_total", "Their bytes.", Double(now.bytes))
    text.counter(
      "image_pipeline_images_unchanged_total", "Images that came again and were there already.", Double(now.unchanged))
    text.counter(
      "image_pipeline_images_replaced_total", "Images that replaced another image of the same name.",
      Double(now.replaced))
    text.counter(
      "image_pipeline_images_kept_both_total", "Images stored under another name, because another image has theirs.",
      Double(now.keptBoth))
    text.counter(
      "image_pipeline_failures_total",
      "What went wrong, by reason: messages that became dead letters, batches tried again, exclusions from the group by a "
        + "consumer of the same identity.",
      by: "reason", ["dead_letter": now.letters, "batch": now.failedBatches, "fenced": now.fenced])
    text.gauge(
      "image_pipeline_group_strangers",
      "Members of the group that belong to another output or client; images that they receive are missing here.",
      Double(now.strangers))
    text.gauge(
      "image_pipeline_waiting_messages", "Messages that have come and are in no batch yet.", Double(now.waiting))
    if let lag = now.lag {
      text.gauge(
        "image_pipeline_lag_messages", "Messages of this consumer's partitions that are not stored.", Double(lag))
    }
    text.histogram(
      "image_pipeline_batch_seconds", "From a batch's being complete to its being durable.", batchSeconds)
    text.histogram(
      "image_pipeline_end_to_end_seconds", "From an image's being sent to its being durable.", endToEndSeconds)
    text.disks(disks)
  }
}
