import Cluster
import Kafka
import Telemetry

/// What a reader says of errors and gaps.
extension TopicReader {
  func report(_ error: KafkaError) throws {
    if error.isFatal { throw error }
    // What keeps it out of the group is why it is not ready.
    if withoutPlaceSince != nil { events.health.trouble(.partitions, KafkaErrorFix.described(error)) }
    guard let unsaid = reports.unsaid(of: error.name + error.context) else { return }
    log.warning(
      "the Kafka client reports: \(KafkaErrorFix.described(error))",
      unsaid > 0 ? ["others_before": .of(unsaid)] : [:])
  }

  func sayGap(of partition: Int32) {
    if let count = trackers[partition]?.takeNeverSeen() {
      log.info(
        "the first \(count) messages of a partition are not in the topic any more, and cannot be read",
        ["partition": .of(partition), "first_offset": .of(count)])
    }
    guard let lost = trackers[partition]?.takeGap() else { return }
    log.error(
      "messages were removed from the topic before they were stored: \(lost.count)",
      [
        "partition": .of(partition), "from": .of(lost.lowerBound), "to": .of(lost.upperBound - 1),
        "cure": "give the topic a longer retention.ms or larger retention.bytes",
      ])
  }
}
