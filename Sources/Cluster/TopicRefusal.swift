import Configuration
import Kafka

/// The cluster does not create the topic as configured. Trying again does not help.
struct TopicRefusal: Error, CustomStringConvertible {
  let topic: String
  let wanted: NewTopic
  /// The error's name and reason, as in `KafkaError`.
  let name: String
  let reason: String

  /// The variables that may have caused the refusal.
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
    "the cluster refuses to create the topic \(topic) with \(variables.joined(separator: ", ")): \(reason) (\(name)). Set what "
      + "it allows, or create the topic yourself"
  }
}
