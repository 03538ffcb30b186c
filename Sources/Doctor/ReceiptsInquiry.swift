import Configuration
import Kafka
import Platform
import Telemetry
import Wire

/// Asks the brokers about the topic of receipts, and tries what the sides do with it. Nothing is written or created.
struct ReceiptsInquiry {
  let broker: BrokerCheck
  let configuration: Configuration
  let sides: DoctorSides
  let stop: StopFlag

  private var client: KafkaConsumer { broker.client }

  /// - Parameter sourceRetention: the `retention.ms` of the topic of images; nil if it is not known.
  /// - Returns: what was found; nil if neither side uses the topic, or if it cannot be inspected.
  func look(_ report: DoctorReport, sourceRetention: Int?) -> ReceiptsCheck? {
    let producer = configuration.producer
    var check = ReceiptsCheck(topic: ReceiptsTopic.name(of: configuration.consumer.topic))
    check.sourceRetention = sourceRetention
    check.isRead = sides.producer && producer.receiptsNeeded > 0
    check.isWaitedFor = producer.afterSent != .keep
    check.isWritten = sides.consumer && configuration.consumer.receipts
    check.isOff = check.isRead && check.isWaitedFor && sides.consumer && !check.isWritten
    guard check.isRead || check.isWritten, !stop.isSet else { return nil }
    do {
      try inspect(&check)
    } catch {
      report.add(BrokerCheck.untold("receipts_topic", "the topic of receipts \(check.topic)", error))
      return nil
    }
    report.add(check.findings())
    return check
  }

  private func inspect(_ check: inout ReceiptsCheck) throws(KafkaError) {
    var partitions: [TopicDescription.Partition]?
    do {
      partitions = try client.description(of: check.topic, timeout: BrokerCheck.answer)?.partitions
    } catch {
      // Reading and writing need more rights, so their refusal names the one that is missing.
      guard error.isAuthorization else { throw error }
      partitions = []
    }
    guard let partitions else {
      check.isThere = false
      if check.isWritten, broker.tellsSettings { check.creation = creation(of: check.topic) }
      return
    }
    check.leaderless = partitions.filter { $0.leader == nil }.map(\.number)
    if broker.tellsSettings, !partitions.isEmpty, !stop.isSet {
      check.settings = try? client.topicSettings(check.topic, timeout: BrokerCheck.answer)
    }
    guard let first = (partitions.first { $0.leader != nil }?.number) ?? (partitions.isEmpty ? 0 : nil) else { return }
    if check.isRead, !stop.isSet { check.reading = reading(check.topic, first) }
    // An embedded broker, which tells no settings, would take the message.
    if check.isWritten, broker.tellsSettings, !stop.isSet {
      check.writing = failure { () throws(KafkaError) in
        try WriteTrial.run(broker.settings, topic: check.topic, partition: first, timeout: BrokerCheck.answer)
      }
    }
  }

  private func creation(of topic: String) -> KafkaError? {
    func failure(_ settings: [String: String]) -> KafkaError? {
      self.failure { () throws(KafkaError) in
        _ = try client.createTopic(
          topic, partitions: 1, settings: settings, isTrial: true, timeout: BrokerCheck.answer)
      }
    }
    let error = failure(ReceiptsTopic.settings)
    // The consumer also leaves out settings that the broker rejects.
    return error?.isInvalidRequest == true ? failure([:]) : error
  }

  /// Reads the last receipt. At the end of an empty partition, nothing arrives except a possible refusal.
  private func reading(_ topic: String, _ partition: Int32) -> KafkaError? {
    let marks = try? client.watermarks(of: topic, partition: partition, timeout: BrokerCheck.answer)
    return failure { () throws(KafkaError) in
      _ = try PartitionReader(broker.settings).read(
        topic: topic, partition: partition, offset: marks.map { max($0.low, $0.high - 1) } ?? 0,
        timeout: BrokerCheck.answer)
    }
  }

  private func failure(_ trial: () throws(KafkaError) -> Void) -> KafkaError? {
    do {
      try trial()
      return nil
    } catch {
      return error
    }
  }
}
