package import Kafka

extension KafkaClient {
  /// Creates a topic with settings that a broker may reject, as some hosted brokers do with unlimited retention. Then it
  /// is created without them.
  /// - Parameters:
  ///   - settings: the settings that it must have.
  ///   - preferred: further settings.
  ///   - timeout: of each of the two requests.
  /// - Returns: why the broker rejected the preferred settings; nil if it did not.
  package func createTopic(
    _ topic: String, partitions: Int32 = -1, settings: [String: String] = [:], preferring preferred: [String: String],
    timeout: Duration
  ) throws(KafkaError) -> KafkaError? {
    do {
      _ = try createTopic(
        topic, partitions: partitions, settings: settings.merging(preferred) { $1 }, timeout: timeout)
      return nil
    } catch {
      guard error.isInvalidRequest else { throw error }
      _ = try createTopic(topic, partitions: partitions, settings: settings, timeout: timeout)
      return error
    }
  }
}
