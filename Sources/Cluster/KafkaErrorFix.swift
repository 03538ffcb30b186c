import Kafka
import Platform

/// The fixes of Kafka's errors: one table, by the error's name. docs/troubleshooting.md has a row for each.
package enum KafkaErrorFix {
  /// The error in one line, with its fix if there is one. Errors of other types are described as they are.
  package static func described(_ error: any Error) -> String {
    guard let error = error as? KafkaError, let fix = fix(of: error) else { return "\(error)" }
    return "\(error): \(fix)"
  }

  /// The fix of an error; nil if it has none, or if the error already names it, as a missing right does.
  static func fix(of error: KafkaError) -> String? {
    if error.missingRight != nil { return nil }
    // The client itself refused the message, before any broker saw it. Only then does the context name the size.
    if error.name == "MSG_SIZE_TOO_LARGE", error.context.contains("a message of") {
      return "raise KAFKA_MESSAGE_MAX_BYTES, or lower SEGMENT_BYTES"
    }
    if error.name == "_INVALID_ARG", let variable = variable(in: "\(error.context) \(error.reason)") {
      return "correct \(variable), or unset it"
    }
    let fix = table[error.name] ?? (error.isTopicMissing ? missingTopic : nil)
    if let fix { return fix(topic(of: error) ?? "...") }
    return error.disposition == .needsPerson ? brokerLog : nil
  }

  /// The variable of the first property in a text: `KAFKA_SSL_CA_LOCATION` for `ssl.ca.location`.
  private static func variable(in text: String) -> String? {
    let property = text.split { !($0.isLetter && $0.isLowercase || $0 == ".") }.first {
      $0.contains(".") && $0.first != "." && $0.last != "."
    }
    return property.map { "KAFKA_" + $0.uppercased().map { $0 == "." ? "_" : String($0) }.joined() }
  }

  /// The topic that the error is about.
  private static func topic(of error: KafkaError) -> String? {
    error.context.ranges(of: "topic ").first.map { String(error.context[$0.upperBound...].prefix { $0 != "," }) }
  }

  /// The command that changes a setting of a topic.
  static func setting(_ setting: String, on topic: String) -> String {
    "kafka-configs --alter --entity-type topics --entity-name \(topic) --add-config \(setting)"
  }

  private static let noAnswer =
    "check that the brokers run, and that KAFKA_BOOTSTRAP_SERVERS and the brokers' advertised.listeners can be reached from here "
    + "(image-pipeline doctor)"
  private static let brokerLog = "look at the broker's log and its disk"
  private static let right = "grant it with kafka-acls"

  private static let missingTopic: @Sendable (_ topic: String) -> String = {
    "topic \($0) does not exist, was deleted, or was re-created with fewer partitions. Producer and consumer create it if it is "
      + "missing; if TOPIC is misspelt, correct it"
  }

  /// - Parameter topic: the name of the topic that the error is about.
  static let table: [String: @Sendable (_ topic: String) -> String] = [
    // Messages.
    "MSG_SIZE_TOO_LARGE": {
      "the topic accepts only smaller messages than SEGMENT_BYTES produces. Raise its max.message.bytes ("
        + setting("max.message.bytes=1048588", on: $0) + "), or lower SEGMENT_BYTES"
    },
    "INVALID_MSG_SIZE": { _ in "lower SEGMENT_BYTES, or raise the topic's max.message.bytes" },
    "RECORD_LIST_TOO_LARGE": {
      "a batch is larger than a segment of the topic. Raise its segment.bytes ("
        + setting("segment.bytes=1073741824", on: $0)
        + "), or lower KAFKA_BATCH_SIZE and SEGMENT_BYTES"
    },
    "INVALID_TIMESTAMP": {
      "this host's clock (\(WallClock.iso8601(milliseconds: WallClock.milliseconds))) and the broker's differ by more than the topic "
        + "allows. Correct them (timedatectl, NTP), or raise the limit ("
        + setting(
          "message.timestamp.after.max.ms=..., before Kafka 3.6 message.timestamp.difference.max.ms=...", on: $0)
        + ")"
    },
    "INVALID_RECORD": {
      "topic \($0) validates its messages, for example against a schema. Remove that setting from the topic, or set another TOPIC"
    },
    "INVALID_MSG": { _ in "a message was damaged on its way or on the broker's disk: " + brokerLog },
    "_BAD_MSG": { _ in "a message was damaged on its way or on the broker's disk: " + brokerLog },
    "_BAD_COMPRESSION": { _ in
      "a batch cannot be decompressed. It was damaged, or its sender uses a codec that this librdkafka lacks"
    },
    "UNSUPPORTED_COMPRESSION_TYPE": { _ in "set KAFKA_COMPRESSION_TYPE to one that the broker has: zstd needs Kafka 2.1"
    },
    "UNSUPPORTED_FOR_MESSAGE_FORMAT": {
      "topic \($0) keeps messages in a format before Kafka 0.11. Unset its message.format.version, or set another TOPIC"
    },
    "POLICY_VIOLATION": { _ in "the cluster's policy forbids it. Ask its operators what they allow" },
    "THROTTLING_QUOTA_EXCEEDED": { _ in "the user's quota on the cluster is used up. Wait, or ask for a higher quota" },
    // Brokers and replicas.
    "NOT_ENOUGH_REPLICAS": {
      "too few brokers have topic \($0) in sync. Start those that are down, or lower its min.insync.replicas"
    },
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": {
      "too few brokers have topic \($0) in sync. Start those that are down, or lower its min.insync.replicas"
    },
    "KAFKA_STORAGE_ERROR": { _ in "the broker cannot use its disk: " + brokerLog },
    "LEADER_NOT_AVAILABLE": { "a partition of topic \($0) has no leader. Start the brokers that are down" },
    "UNKNOWN_TOPIC_OR_PART": missingTopic, "_UNKNOWN_TOPIC": missingTopic, "_UNKNOWN_PARTITION": missingTopic,
    "TOPIC_EXCEPTION": { _ in "correct TOPIC: 1 to 249 letters, digits, dots, underscores and dashes" },
    "UNSUPPORTED_VERSION": { _ in "the broker is too old, or is not Kafka. Kafka 0.11 or newer is needed" },
    "_UNSUPPORTED_FEATURE": { _ in "the broker is too old, or is not Kafka. Kafka 0.11 or newer is needed" },
    // Groups.
    "INCONSISTENT_GROUP_PROTOCOL": { _ in
      "another member of the group uses an assignment strategy that this consumer does not have, such as cooperative-sticky. Stop that "
        + "member, set another CONSUMER_GROUP here, or set its partition.assignment.strategy to range or roundrobin"
    },
    "GROUP_MAX_SIZE_REACHED": { _ in "the group is full. Run fewer consumers, or raise group.max.size of the brokers" },
    "INVALID_SESSION_TIMEOUT": { _ in
      "set KAFKA_SESSION_TIMEOUT_MS between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms"
    },
    "FENCED_INSTANCE_ID": { _ in
      "another consumer has the same identity, which comes from the output's catalog. If the output is a copy, start the "
        + "copy with an empty PROCESSED_IMAGES_DIR, or with another CONSUMER_GROUP"
    },
    "INVALID_GROUP_ID": { _ in "correct CONSUMER_GROUP" },
    "_MAX_POLL_EXCEEDED": { _ in "the process was suspended, or its host is overloaded. It joins again by itself" },
    // Users and rights.
    "TOPIC_AUTHORIZATION_FAILED": { "the user lacks a right on topic \($0): " + right },
    "GROUP_AUTHORIZATION_FAILED": { _ in "the user lacks a right on CONSUMER_GROUP: " + right },
    "CLUSTER_AUTHORIZATION_FAILED": { _ in "the user lacks a right on the cluster: " + right },
    "SASL_AUTHENTICATION_FAILED": { _ in BrokerTrouble.password },
    "_AUTHENTICATION": { _ in BrokerTrouble.password },
    "UNACCEPTABLE_CREDENTIAL": { _ in BrokerTrouble.password },
    "SECURITY_DISABLED": { _ in "the broker has no authorizer. Do not set permissions or passwords" },
    "UNSUPPORTED_SASL_MECHANISM": { _ in "set KAFKA_SASL_MECHANISM to one of those that the broker supports" },
    "ILLEGAL_SASL_STATE": { _ in BrokerTrouble.protocolOrStart },
    // The connection.
    "_TIMED_OUT": { _ in noAnswer }, "_TRANSPORT": { _ in noAnswer }, "_ALL_BROKERS_DOWN": { _ in noAnswer },
    "_RESOLVE": { _ in noAnswer }, "NETWORK_EXCEPTION": { _ in noAnswer }, "BROKER_NOT_AVAILABLE": { _ in noAnswer },
    "REQUEST_TIMED_OUT": { _ in "the broker or one of its replicas is overloaded: " + brokerLog },
    "_SSL": { _ in "check KAFKA_SSL_CA_LOCATION, KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION" },
    // The client itself.
    "INVALID_REQUIRED_ACKS": { _ in "leave KAFKA_ACKS unset" },
    "_INVALID_ARG": { _ in "correct the variable of the property that is named: KAFKA_A_B sets a.b" },
    "_CRIT_SYS_RESOURCE": { _ in "raise the limits of memory, threads (ulimit -u) and open files (ulimit -n)" },
    "OUT_OF_ORDER_SEQUENCE_NUMBER": {
      "the broker has lost messages of topic \($0), or it was deleted. Messages that are not acknowledged are sent again"
    },
    "UNKNOWN_PRODUCER_ID": {
      "the broker has lost messages of topic \($0), or it was deleted. Messages that are not acknowledged are sent again"
    },
  ]
}
