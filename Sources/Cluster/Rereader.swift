package import Kafka

/// Reads single messages again; opens its connection at the first one.
package final class Rereader {
  private let settings: KafkaSettings
  private var reader: PartitionReader?

  package init(_ settings: KafkaSettings) { self.settings = settings }

  /// Returns nil where there is no such message any more. A broker that does not answer is an error: it may have it.
  package func read(topic: String, partition: Int32, offset: Int64, timeoutMilliseconds: Int = 10_000) throws
    -> KafkaMessage?
  {
    let reader = try self.reader ?? PartitionReader(settings)
    self.reader = reader
    do {
      return try reader.read(
        topic: topic, partition: partition, offset: offset, timeoutMilliseconds: timeoutMilliseconds)
    } catch {
      guard error.isUnknownTopic else { throw error }
      return nil
    }
  }
}
