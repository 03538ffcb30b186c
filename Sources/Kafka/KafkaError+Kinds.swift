import Crdkafka

/// The kinds of error that call for different actions.
extension KafkaError {
  /// The topic or the partition does not exist, according to the client or the broker.
  package var isUnknownTopic: Bool {
    isOne(
      of: RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
      RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
  }

  /// As `isUnknownTopic`, and also if the broker knows the topic's name, but not the id that the client sent.
  package var isTopicMissing: Bool { isUnknownTopic || code == Self.unknownTopicID }

  /// UNKNOWN_TOPIC_ID, which librdkafka 2.0.2 does not know.
  static let unknownTopicID: Int32 = 100

  /// The message exceeds `message.max.bytes` (client) or `max.message.bytes` (topic).
  var isMessageTooLarge: Bool {
    isOne(of: RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE)
  }

  /// The broker refuses the operation to this user, or refuses the user.
  package var isAuthorization: Bool {
    isOne(
      of: RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
      RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, RD_KAFKA_RESP_ERR__AUTHENTICATION)
  }

  /// The network, the broker or a replica did not answer in time. The request may have taken effect.
  package var isTimedOut: Bool {
    isOne(
      of: RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT)
  }

  /// There is no connection to a broker.
  package var isTransport: Bool {
    isOne(
      of: RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__RESOLVE,
      RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE)
  }

  /// The message was taken back by `purge()` or `close()`.
  var isPurged: Bool { isOne(of: RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) }

  /// The arrival of the message is only inferred from the acknowledgement of a later one.
  package var isUnproven: Bool { isOne(of: RD_KAFKA_RESP_ERR__INCONSISTENT) }

  /// The broker does not support the request: it is too old, or is not a Kafka broker.
  package var isUnsupported: Bool {
    isOne(of: RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION)
  }

  /// The client was closed before the call.
  var isClosed: Bool { isOne(of: RD_KAFKA_RESP_ERR__DESTROY) }

  /// The leader of the partition is being elected, or has just changed.
  var isLeaderChange: Bool {
    isOne(
      of: RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
      RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
      RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH)
  }

  /// The partition does not hold that offset: it has expired, or was never written.
  var isOffsetOutOfRange: Bool {
    isOne(of: RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
  }

  /// Another consumer runs under the same `group.instance.id`.
  package var isFenced: Bool { isOne(of: RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, RD_KAFKA_RESP_ERR__FENCED) }

  /// The broker or the topic refuses the setting, or the number of partitions or replicas.
  package var isInvalidRequest: Bool {
    isOne(
      of: RD_KAFKA_RESP_ERR__INVALID_ARG, RD_KAFKA_RESP_ERR_INVALID_CONFIG, RD_KAFKA_RESP_ERR_INVALID_PARTITIONS,
      RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
      RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, RD_KAFKA_RESP_ERR_INVALID_REQUEST)
  }

  /// More replicas are requested than there are brokers, at least at the moment.
  package var isTooFewBrokers: Bool { isOne(of: RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR) }

  private func isOne(of codes: rd_kafka_resp_err_t...) -> Bool {
    codes.contains { $0.rawValue == code }
  }
}
