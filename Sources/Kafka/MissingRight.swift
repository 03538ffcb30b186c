import Crdkafka

/// A right that the broker's authorizer denies to this user, and how an operator grants it. No other code describes
/// rights.
package struct MissingRight: Sendable, Equatable, CustomStringConvertible {
  /// The name that `kafka-acls` uses: `Write`.
  let operation: String
  /// The name for people: `topic images`, `the cluster`.
  let resource: String
  private let option: String
  private let user: String?
  private let alternative: String

  /// The operation that was refused.
  package enum Need: Sendable {
    /// Creating a topic.
    case create(String)
    /// Reading a topic's partitions, beginnings and ends.
    case describe(String)
    case describeSettings(String)
    case describeBrokerSettings
    /// Reading a group's members.
    case describeGroup(String)
    /// Writing messages to a topic.
    case write(String)
    /// Reading messages of a topic, as a member of a group if there is one.
    case read(String, group: String?)
    /// Requesting a producer id, which an idempotent producer does before it sends anything.
    case producerID
  }

  /// nil if the error is not about a right.
  /// - Parameter user: nil if the client does not name its user.
  init?(_ code: rd_kafka_resp_err_t, _ need: Need, user: String?) {
    switch (code, need) {
    case (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, .create(let topic)): self.init("Create", topic: topic, user)
    case (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, .describe(let topic)): self.init("Describe", topic: topic, user)
    case (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, .describeSettings(let topic)):
      self.init("DescribeConfigs", topic: topic, user)
    case (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, .write(let topic)): self.init("Write", topic: topic, user)
    case (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, .read(let topic, _)): self.init("Read", topic: topic, user)
    case (RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, .read(_, let group?)):
      self.init("Read", "group \(group)", "--group \(group)", user)
    case (RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, .describeGroup(let group)):
      self.init("Describe", "group \(group)", "--group \(group)", user)
    case (RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, .describeBrokerSettings):
      self.init("DescribeConfigs", "the cluster", "--cluster", user)
    case (RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, .create(let topic)):
      self.init("Create", "the cluster", "--cluster", user, or: "Create on topic \(topic) is sufficient")
    case (RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, .write),
      (RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, .producerID):
      self.init(
        "IdempotentWrite", "the cluster", "--cluster", user,
        or: "with Kafka 2.8 or newer, Write on the topic is sufficient")
    default: return nil
    }
  }

  private init(_ operation: String, topic: String, _ user: String?) {
    self.init(operation, "topic \(topic)", "--topic \(topic)", user)
  }

  private init(_ operation: String, _ resource: String, _ option: String, _ user: String?, or alternative: String = "")
  {
    self.operation = operation
    self.resource = resource
    self.option = option
    self.user = user
    self.alternative = alternative
  }

  /// `the user has no Write right on topic images: grant it (kafka-acls --add ... --operation Write --topic images)`
  package var description: String {
    "the user \(user.map { $0 + " " } ?? "")has no \(operation) right on \(resource): grant it (kafka-acls --add "
      + "--allow-principal User:\(user ?? "...") --operation \(operation) \(option))"
      + (alternative.isEmpty ? "" : "; \(alternative)")
  }
}
