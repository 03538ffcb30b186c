import Kafka
import Platform

/// The fix for each error of the broker that needs a person. A missing right brings its own.
enum RefusalFix {
  /// - Parameter error: one whose nature is `needsPerson` or `refusedMessage`.
  static func text(for error: KafkaError, now: Int64 = Clock.wallMilliseconds) -> String {
    if let right = error.missingRight { return "\(right)" }
    return fixes[error.name]?(now) ?? "look at the broker's log"
  }

  /// The error with its fix, as log and health show it.
  static func described(_ error: KafkaError) -> String {
    // The description of a missing right is part of the error's own.
    error.missingRight == nil ? "\(error): \(text(for: error))" : "\(error)"
  }

  private static let credentials =
    "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE, and KAFKA_SASL_MECHANISM"
  private static let size =
    "raise the topic's max.message.bytes (kafka-configs --alter --entity-type topics --add-config), or lower SEGMENT_BYTES"
  private static let damaged =
    "a batch of the topic is damaged, or packed in a way that this librdkafka does not know: see kafka-dump-log on the broker"

  /// By librdkafka's names of errors. Given the time that this machine's clock shows.
  private static let fixes: [String: @Sendable (Int64) -> String] = [
    "INVALID_TIMESTAMP": { now in
      "this machine's clock shows \(Clock.iso8601(milliseconds: now)). Set this clock and the broker's by NTP (timedatectl "
        + "set-ntp true), or raise the topic's message.timestamp.after.max.ms and message.timestamp.before.max.ms"
    },
    "MSG_SIZE_TOO_LARGE": { _ in size },
    "INVALID_MSG_SIZE": { _ in size },
    "RECORD_LIST_TOO_LARGE": { _ in "raise the topic's segment.bytes, or lower KAFKA_BATCH_SIZE and SEGMENT_BYTES" },
    "INVALID_RECORD": { _ in
      "the broker validates records, by a schema say: switch that off for this topic (confluent.value.schema.validation=false)"
    },
    "POLICY_VIOLATION": { _ in "a policy of the broker forbids it: ask its operator, or choose another TOPIC" },
    "UNSUPPORTED_COMPRESSION_TYPE": { _ in "set KAFKA_COMPRESSION_TYPE to one that the broker knows: gzip, snappy, none"
    },
    "UNSUPPORTED_FOR_MESSAGE_FORMAT": { _ in
      "the topic keeps an old message format without headers: raise its message.format.version to 0.11 or newer"
    },
    "UNSUPPORTED_VERSION": { _ in "the broker is older than Kafka 0.11: upgrade it" },
    "_UNSUPPORTED_FEATURE": { _ in "the broker is older than Kafka 0.11: upgrade it" },
    "INVALID_REQUIRED_ACKS": { _ in "leave KAFKA_ACKS unset" },
    "TOPIC_EXCEPTION": { _ in "choose another TOPIC: the broker refuses this name, or lets nobody write to this topic"
    },
    "SASL_AUTHENTICATION_FAILED": { _ in credentials },
    "_AUTHENTICATION": { _ in credentials },
    "UNACCEPTABLE_CREDENTIAL": { _ in credentials },
    "UNSUPPORTED_SASL_MECHANISM": { _ in "set KAFKA_SASL_MECHANISM to one of those that the broker supports" },
    "ILLEGAL_SASL_STATE": { _ in "set KAFKA_SECURITY_PROTOCOL to what this listener speaks" },
    "SECURITY_DISABLED": { _ in "the broker has no authorizer: leave rights and passwords out" },
    "_SSL": { _ in
      "check KAFKA_SSL_CA_LOCATION, KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION, and their dates"
    },
    "INCONSISTENT_GROUP_PROTOCOL": { _ in
      "another program uses this group with another assignment strategy: set another CONSUMER_GROUP"
    },
    "GROUP_MAX_SIZE_REACHED": { _ in "start fewer consumers, or raise the broker's group.max.size" },
    "INVALID_GROUP_ID": { _ in "set another CONSUMER_GROUP" },
    "INVALID_SESSION_TIMEOUT": { _ in
      "set KAFKA_SESSION_TIMEOUT_MS between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"
    },
    "_BAD_MSG": { _ in damaged },
    "_BAD_COMPRESSION": { _ in damaged },
    "_CRIT_SYS_RESOURCE": { _ in "raise the limits of this process: memory, threads, open files (ulimit -n)" },
  ]

  /// For tests: the errors that have a fix of their own.
  static var names: [String] { fixes.keys.sorted() }
}
