import Crdkafka
import Platform

/// Grants rights at a broker that has an authorizer, as `kafka-acls --add` does.
extension KafkaClient {
  /// The object of a right.
  package enum Resource: Sendable {
    case topic(String)
    case group(String)
  }

  package enum Operation: Sendable {
    case read, write, create, describe, describeSettings

    fileprivate var native: rd_kafka_AclOperation_t {
      switch self {
      case .read: RD_KAFKA_ACL_OPERATION_READ
      case .write: RD_KAFKA_ACL_OPERATION_WRITE
      case .create: RD_KAFKA_ACL_OPERATION_CREATE
      case .describe: RD_KAFKA_ACL_OPERATION_DESCRIBE
      case .describeSettings: RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS
      }
    }
  }

  /// Allows a user to do something from any host. Brokers apply the right some moments after this has returned.
  ///
  /// - Parameter user: the broker's name for the user, `User:images`.
  /// - Throws: among others an error whose `isAuthorization` is set.
  final func allow(
    _ user: String, _ operation: Operation, on resource: Resource, timeout: Duration
  ) throws(KafkaError) {
    let (kind, name) =
      switch resource {
      case .topic(let topic): (RD_KAFKA_RESOURCE_TOPIC, topic)
      case .group(let group): (RD_KAFKA_RESOURCE_GROUP, group)
      }
    let place = "right of \(user) on \(name)"
    let handle = try handle(for: place)
    let (made, reason) = withReasonBuffer {
      rd_kafka_AclBinding_new(
        kind, name, RD_KAFKA_RESOURCE_PATTERN_LITERAL, user, "*", operation.native,
        RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, $0, $1)
    }
    guard let made else { throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, place, reason: reason) }
    defer { rd_kafka_AclBinding_destroy(made) }
    let deadline = Deadline(in: timeout)
    let answer = try handle.ask(RD_KAFKA_ADMIN_OP_CREATEACLS, place, deadline) { options, queue in
      var request: OpaquePointer? = made
      rd_kafka_CreateAcls(handle.client, &request, 1, options, queue)
    }
    defer { rd_kafka_event_destroy(answer) }
    var count = 0
    let results = rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(answer), &count)
    guard count > 0, let result = results?[0], let error = rd_kafka_acl_result_error(result) else { return }
    throw KafkaError(
      rd_kafka_error_code(error), place, reason: String(cString: rd_kafka_error_string(error)))
  }
}
