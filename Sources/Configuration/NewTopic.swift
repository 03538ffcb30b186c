import Telemetry

/// How a topic is made that is not there yet. One that is there stays as it is.
package struct NewTopic: Sendable, Equatable {
  /// -1: the broker's default.
  package var partitions: Int32 = -1
  /// -1: the broker's default.
  package var replicationFactor: Int32 = -1
  /// How long messages are kept, in ms; -1: for ever; nil: the broker's default.
  var retentionMilliseconds: Int?
  /// How many bytes of messages each partition keeps; -1: all; nil: the broker's default.
  var retentionBytes: Int?

  package init() {}

  /// The topic's own settings, by Kafka's names.
  package var settings: [String: String] {
    var settings: [String: String] = [:]
    settings["retention.ms"] = retentionMilliseconds.map { String($0) }
    settings["retention.bytes"] = retentionBytes.map { String($0) }
    return settings
  }

  /// Kafka's names of the settings, and what they are called here.
  package static let variables = ["retention.ms": "TOPIC_RETENTION_MS", "retention.bytes": "TOPIC_RETENTION_BYTES"]

  /// What a topic that is there has otherwise than it would be made; empty where nothing was asked for.
  package func differences(partitions found: Int, settings has: [String: String]) -> [String] {
    var differences: [String] = []
    if partitions >= 0, Int(partitions) != found {
      differences.append("\(Quantity.count(found, "partition")) (TOPIC_PARTITIONS=\(partitions))")
    }
    for (name, value) in settings.sorted(by: { $0.key < $1.key }) where has[name] != nil && has[name] != value {
      differences.append("\(name)=\(has[name]!) (\(Self.variables[name]!)=\(value))")
    }
    return differences
  }
}
