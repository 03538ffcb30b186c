package import Kafka

/// Reads single messages again. It opens its connection for the first one.
package final class Rereader {
  private let settings: KafkaSettings
  private var reader: PartitionReader?

  package init(_ settings: KafkaSettings) { self.settings = settings }

  /// Reads the message at an offset again.
  /// - Returns: nil if the message no longer exists.
  /// - Throws: an error if the broker does not answer, because it may still have the message.
  package func read(topic: String, partition: Int32, offset: Int64, timeout: Duration = .seconds(10)) throws
    -> KafkaMessage?
  {
    let reader = try self.reader ?? PartitionReader(settings)
    self.reader = reader
    do {
      return try reader.read(
        topic: topic, partition: partition, offset: offset, timeout: timeout)
    } catch {
      guard error.isUnknownTopic else { throw error }
      return nil
    }
  }
}
