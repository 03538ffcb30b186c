import Configuration
import Kafka
import Platform
import Telemetry

/// Finds out for how long the topic keeps images, if files are moved or deleted without receipts. It needs fewer rights
/// than a consumer has: what it may not see, it reports as unknown.
struct RetentionInquiry {
  let broker: BrokerCheck
  let configuration: Configuration
  let sides: DoctorSides
  let stop: StopFlag

  private var topic: String { configuration.consumer.topic }
  private var group: String { broker.settings.values["group.id"] ?? "" }
  private var client: KafkaConsumer { broker.client }

  /// Messages that arrived within the first of these times that has any count for the rate.
  private static let windows = [Duration.seconds(600), .seconds(3_600), .seconds(86_400)]
  /// A burst that is shorter counts as if it had taken this long.
  private static let shortest = Duration.seconds(60)
  /// Messages are read from at most this many partitions.
  private static let mostRead = 8

  /// - Parameter found: what is known of the topic.
  func look(_ report: DoctorReport, _ found: TopicInquiry.Result) {
    var forecast = RetentionForecast(topic: topic, action: configuration.producer.afterSent, group: group)
    if !found.isInspected {
      forecast.backlog = Backlog(nil)
      forecast.unknown = [("the topic cannot be inspected", "fix that, and run doctor again")]
    } else if let description = found.description {
      forecast.backlog = backlog(description, found.settings, &forecast)
      guard !stop.isSet else { return }
      // The consumer's side reports that anyway.
      if !sides.consumer, let lost = forecast.lost() { report.add(lost) }
    }
    report.add(forecast.finding())
  }

  private func backlog(
    _ description: TopicDescription, _ settings: [String: String]?, _ forecast: inout RetentionForecast
  ) -> Backlog {
    var backlog = Backlog(settings)
    if settings == nil {
      forecast.unknown.append(
        ("the broker does not tell the topic's retention", "grant DescribeConfigs on topic \(topic)"))
    }
    var committed: [Int32: Int64] = [:]
    do {
      committed = try broker.committed(description.led, stop: stop)
    } catch {
      forecast.knowsPositions = false
      forecast.unknown.append(
        (
          "the positions of group \(group) are unknown (\(Finding.summary(error)))",
          "grant Describe on group \(group), or run doctor with the consumer's user"
        ))
    }
    let deadline = Deadline(in: BrokerCheck.offsetsPatience)
    do {
      backlog.partitions = try broker.backlog(
        of: topic, description.led, committed: committed, deadline, stop: stop)
      // If messages were removed already, the consumers that store may be of another group.
      if committed.isEmpty, forecast.knowsPositions, backlog.partitions.contains(where: { $0.low > 0 }) {
        forecast.knowsPositions = false
        forecast.unknown.append(
          ("group \(group) has stored no message of this topic", "set CONSUMER_GROUP to the group of the consumers"))
      }
      try measure(&backlog, &forecast, deadline)
    } catch {
      let advice = error.missingRight.map { "\($0)" } ?? "look at the broker's log, and try again"
      forecast.unknown.append(("messages cannot be read (\(Finding.summary(error)))", advice))
    }
    return backlog
  }

  /// Reads messages for their age and size, and counts those that arrived of late.
  private func measure(
    _ backlog: inout Backlog, _ forecast: inout RetentionForecast, _ deadline: Deadline
  ) throws(KafkaError) {
    let reader = try PartitionReader(broker.settings)
    var (count, bytes) = (0, 0)
    func read(_ partition: Int32, _ offset: Int64) throws(KafkaError) -> Int64? {
      let message = try reader.read(topic: topic, partition: partition, offset: offset, timeout: BrokerCheck.answer)
      guard let message else { return nil }
      count += 1
      bytes += message.size
      return message.timestamp
    }
    let fullest = backlog.partitions.indices.filter { backlog.partitions[$0].high > backlog.partitions[$0].low }.sorted
    {
      let (one, other) = (backlog.partitions[$0], backlog.partitions[$1])
      return (one.waiting, one.high - one.low) > (other.waiting, other.high - other.low)
    }
    for index in fullest.prefix(Self.mostRead) where !stop.isSet && !deadline.hasPassed {
      let partition = backlog.partitions[index]
      if partition.waiting > 0, forecast.knowsPositions {
        backlog.partitions[index].oldest = try read(partition.number, partition.next)
      }
      guard let start = try recent(partition, backlog.now) else { continue }
      let first = try read(partition.number, start.offset)
      let span = max(Int64(Self.shortest.inMilliseconds), first.map { backlog.now - $0 } ?? start.window)
      forecast.rates[partition.number] = Double(partition.high - start.offset) * 1_000 / Double(span)
    }
    if count > 0 { backlog.averageBytes = bytes / count }
  }

  /// The first message of the newest time that has any.
  private func recent(
    _ partition: Backlog.Partition, _ now: Int64
  ) throws(KafkaError) -> (offset: Int64, window: Int64)? {
    for window in Self.windows.map({ Int64($0.inMilliseconds) }) where !stop.isSet {
      let found = try BrokerCheck.asking(stop) { (time) throws(KafkaError) in
        try client.offset(of: topic, partition: partition.number, since: now - window, timeout: time)
      }
      if let found, found < partition.high { return (max(found, partition.low), window) }
    }
    return nil
  }
}
