package import Telemetry

extension ConsumerEvents {
  /// - Parameter disks: the paths that the consumer writes to, each with its role.
  package func addMetrics(to text: inout MetricsText, disks: [(role: String, path: String)]) {
    let now = now
    text.counter("image_pipeline_images_stored_total", "New images that are durable.", Double(now.images))
    text.counter("image_pipeline_stored_bytes_total", "Their bytes.", Double(now.bytes))
    text.counter(
      "image_pipeline_images_unchanged_total", "Images that arrived again and were already stored.",
      Double(now.unchanged))
    text.counter(
      "image_pipeline_images_replaced_total", "Images that replaced another image of the same name.",
      Double(now.replaced))
    text.counter(
      "image_pipeline_images_kept_both_total", "Images stored under another name, because another image has that name.",
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
      "image_pipeline_waiting_messages", "Messages that have arrived and are not in a batch yet.", Double(now.waiting))
    if let lag = now.lag {
      text.gauge(
        "image_pipeline_lag_messages", "Messages of this consumer's partitions that are not stored.", Double(lag))
    }
    text.histogram(
      "image_pipeline_batch_seconds", "Time from a complete batch until it is durable.", batchSeconds)
    text.histogram(
      "image_pipeline_end_to_end_seconds", "Time from sending an image until it is durable.", endToEndSeconds)
    text.disks(disks)
  }
}
