import Kafka

/// How a topic is made that is not there yet. One that is there stays as it is.
public struct NewTopic: Sendable, Equatable {
  /// -1: the broker's default.
  public var partitions: Int32 = -1
  /// -1: the broker's default.
  public var replicationFactor: Int32 = -1
  /// How long messages are kept, in ms; -1: for ever; nil: the broker's default.
  public var retentionMilliseconds: Int?
  /// How many bytes of messages each partition keeps; -1: all; nil: the broker's default.
  public var retentionBytes: Int?

  public init() {}

  /// The topic's own settings, by Kafka's names.
  var settings: [String: String] {
    var settings: [String: String] = [:]
    settings["retention.ms"] = retentionMilliseconds.map { String($0) }
    settings["retention.bytes"] = retentionBytes.map { String($0) }
    return settings
  }

  /// Kafka's names of the settings, and what they are called here.
  static let variables = ["retention.ms": "TOPIC_RETENTION_MS", "retention.bytes": "TOPIC_RETENTION_BYTES"]

  /// What a topic that is there has otherwise than it would be made; empty where nothing was asked for.
  func differences(partitions found: Int, settings has: [String: String]) -> [String] {
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

/// The cluster does not make the topic so, now or later.
struct TopicRefusal: Error, CustomStringConvertible {
  let topic: String
  let wanted: NewTopic
  /// As `KafkaError` has them.
  let name: String
  let reason: String

  /// The variables that may be at fault.
  private var variables: [String] {
    let (partitions, replicas) = (
      "TOPIC_PARTITIONS=\(wanted.partitions)", "TOPIC_REPLICATION_FACTOR=\(wanted.replicationFactor)"
    )
    let settings = wanted.settings.sorted { $0.key < $1.key }.map { "\(NewTopic.variables[$0.key]!)=\($0.value)" }
    return switch name {
    case "INVALID_REPLICATION_FACTOR": [replicas]
    case "INVALID_PARTITIONS": [partitions]
    case "INVALID_CONFIG" where !settings.isEmpty: settings
    default: [partitions, replicas] + settings
    }
  }

  var description: String {
    "the cluster refuses to make the topic \(topic) with \(variables.joined(separator: ", ")): \(reason) (\(name)). Set what it "
      + "allows, or make the topic yourself"
  }
}
