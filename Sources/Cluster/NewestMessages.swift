package import Configuration
import Kafka
package import Platform
package import Telemetry
import Wire

/// The newest messages of the topic, described for people: what they carry, without its Base64.
package struct NewestMessages {
  private let settings: KafkaSettings
  private let topic: String
  private let log: Log
  private let stop: StopFlag

  /// The time without an answer from a broker after which the run fails.
  private static let patience = Duration.seconds(20)

  package init(_ configuration: Configuration, log: Log, stop: StopFlag) {
    settings = configuration.consumer.kafka
    topic = configuration.consumer.topic
    self.log = log
    self.stop = stop
  }

  /// - Parameter count: the maximum number of messages, of all partitions together.
  /// - Returns: the fields of a line for each message, oldest first; nil if the topic does not exist.
  /// - Throws: `NoBroker` if no broker answers; `KafkaError`.
  package func list(_ count: Int) throws -> [[(String, LogValue)]]? {
    let client = try KafkaConsumer(settings, topic: topic)
    defer { client.unsubscribeAndClose() }
    var connection = BrokerConnection(
      client: client, servers: settings.values["bootstrap.servers"] ?? "", log: log)
    connection.patience = Self.patience
    guard let partitions = try connection.partitionCount(of: topic, stop: stop) else { return nil }
    var found: [(time: Int64, fields: [(String, LogValue)])] = []
    for partition in 0..<Int32(partitions) where count > 0 {
      let scan = try PartitionScan(
        settings, topic: topic, partition: partition, last: count, timeout: Self.patience)
      while !stop.isSet, let message = try scan.next(timeout: Self.patience) {
        found.append((message.timestamp ?? 0, Self.fields(message)))
      }
    }
    // The sort is stable: messages with equal times stay in the order of their partition's offsets.
    let sorted = found.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
    return sorted.suffix(count).map(\.element.fields)
  }

  static func fields(_ message: KafkaMessage) -> [(String, LogValue)] {
    var fields: [(String, LogValue)] = [
      ("time", .string(message.timestamp.map { WallClock.iso8601(milliseconds: $0) } ?? "")),
      ("partition", .of(message.partition)), ("offset", .of(message.offset)),
    ]
    do {
      let headers = try ImageHeaders(message.header)
      fields.append(("image", .string(try ImageContent(message).name)))
      fields.append(("bytes", .of(message.size)))
      if let length = headers.length { fields.append(("image_bytes", .of(length))) }
      if let segment = headers.segment {
        fields.append(("segment", .string("\(segment.index + 1)/\(segment.count)")))
      }
      if let digest = headers.digest { fields.append(("sha256", .string(digest.hex))) }
    } catch {
      let key = message.key.flatMap { String(validating: $0, as: UTF8.self) }
      fields += [("key", .string(key ?? "")), ("bytes", .of(message.size)), ("unusable", .string("\(error)"))]
    }
    return fields
  }
}
