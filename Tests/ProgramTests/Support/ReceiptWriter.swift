@testable import Kafka
@testable import Platform
@testable import Wire

/// Writes receipts as the consumers of an output would.
struct ReceiptWriter {
  private let broker: Broker
  private let output: String
  let topic: String

  init(_ broker: Broker, output: String = "o1") throws {
    self.broker = broker
    self.output = output
    topic = ReceiptsTopic.name(of: broker.topic)
    if let cluster = broker.cluster {
      // Another output may have created it.
      try? cluster.createTopic(topic, partitions: 1)
    } else {
      let client = try KafkaProducer(broker.settings()) { _ in }
      defer { client.close() }
      _ = try client.createTopic(topic, partitions: 1, timeout: .seconds(30))
    }
  }

  /// Reports images of the topic. All messages of their partitions up to the last one are dealt with then.
  /// - Parameter distance: is added to their offsets.
  func report(_ messages: [TopicContent.Message], _ outcome: Receipt.Outcome = .stored, later distance: Int64 = 0)
    throws
  {
    for (partition, messages) in Dictionary(grouping: messages, by: \.partition) {
      let images = messages.sorted { $0.offset < $1.offset }.map { message in
        Receipt.Image(
          offset: message.offset + distance, name: message.name,
          digest: message.headers.digest ?? message.bytes.withUnsafeBytes { SHA256.hash($0) },
          length: message.bytes.count, outcome: outcome)
      }
      try send(partition, next: images[images.count - 1].offset + 1, images)
    }
  }

  /// Reports that the output has dealt with everything below an offset, and names no image.
  func pass(_ next: Int64, partition: Int32 = 0) throws { try send(partition, next: next, []) }

  private func send(_ partition: Int32, next: Int64, _ images: [Receipt.Image]) throws {
    let receipt = Receipt(
      output: output, topic: broker.topic, partition: partition, offsets: 0..<next, time: WallClock.milliseconds,
      images: images)
    try broker.send(
      receipt.values(ofAbout: 200_000).map { TestMessage(key: receipt.key, value: $0) }, to: topic)
  }
}
