import Telemetry

/// How a topic is created if it does not exist. An existing topic stays as it is.
package struct NewTopic: Sendable, Equatable {
  /// -1: the broker's default.
  package var partitions: Int32 = -1
  /// -1: the broker's default.
  package var replicationFactor: Int32 = -1
  /// The retention time, in ms; -1: forever; nil: the broker's default.
  var retentionMilliseconds: Int?
  /// The retention size of each partition, in bytes; -1: unlimited; nil: the broker's default.
  var retentionBytes: Int?

  package init() {}

  /// The settings of the topic, by Kafka's names.
  package var settings: [String: String] {
    var settings: [String: String] = [:]
    settings["retention.ms"] = retentionMilliseconds.map { String($0) }
    settings["retention.bytes"] = retentionBytes.map { String($0) }
    return settings
  }

  /// The variable of each setting, by Kafka's name.
  package static let variables = ["retention.ms": "TOPIC_RETENTION_MS", "retention.bytes": "TOPIC_RETENTION_BYTES"]

  /// The differences between an existing topic and one that would be created. Settings that are left to the broker are
  /// not compared.
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
