package import Configuration
import Kafka
import Wire

extension SizeLimits.Sending {
  /// The size of the largest message, in bytes.
  var largestMessage: Int { format.encodedCount(segmentBytes) + WireFormat.besideContent }
  /// The maximum bytes of an image that fit into a message of `message` bytes.
  func segmentBytes(fitting message: Int) -> Int { format.contentCount(fitting: message - WireFormat.besideContent) }

  /// - Parameter largest: the largest image of the input, if it is known.
  package init(_ settings: ProducerSettings, largest: (name: String, bytes: Int)?) {
    func number(_ property: String, or usual: Int) -> Int {
      settings.kafka.effective(property).flatMap { Int($0) } ?? usual
    }
    self.init(
      segmentBytes: settings.segmentBytes, format: settings.format, inFlightBytes: settings.inFlightBytes,
      messageMaximum: number("message.max.bytes", or: 1_000_000), batchSize: number("batch.size", or: 1_000_000),
      queueBytes: number("queue.buffering.max.kbytes", or: 65_536) << 10, largest: largest)
  }
}

extension SizeLimits.Storing {
  package init(_ settings: ConsumerSettings, free: Int?) {
    func number(_ property: String, or usual: Int) -> Int {
      settings.kafka.effective(property).flatMap { Int($0) } ?? usual
    }
    self.init(
      fetchMessageMaximum: number("fetch.message.max.bytes", or: 1_048_576),
      fetchMaximum: number("fetch.max.bytes", or: 52_428_800),
      receiveMaximum: number("receive.message.max.bytes", or: 100_000_000), batchBytes: settings.batchBytes, free: free)
  }
}
