import Crdkafka
import Platform

/// Creates topics, and reads the settings of topics and brokers. librdkafka's embedded cluster supports neither.
extension KafkaClient {
  /// Creates a topic and waits until each of its partitions has a leader, so that the next call finds the topic.
  ///
  /// - Parameters:
  ///   - partitions: -1 for the broker's default.
  ///   - replicationFactor: -1 for the broker's default.
  ///   - settings: the topic's own settings, such as `max.message.bytes`.
  ///   - isTrial: the broker checks the rights and the settings, and creates nothing.
  /// - Returns: false if the topic already existed, whatever its settings.
  /// - Throws: among others an error whose `isAuthorization` or `isInvalidRequest` is set.
  package final func createTopic(
    _ topic: String, partitions: Int32 = -1, replicationFactor: Int32 = -1, settings: [String: String] = [:],
    isTrial: Bool = false, timeout: Duration
  ) throws(KafkaError) -> Bool {
    let handle = try handle(for: place(topic))
    let deadline = Deadline(in: timeout)
    let (made, reason) = withReasonBuffer { rd_kafka_NewTopic_new(topic, partitions, replicationFactor, $0, $1) }
    guard let made else { throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, place(topic), reason: reason) }
    defer { rd_kafka_NewTopic_destroy(made) }
    for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
      let code = rd_kafka_NewTopic_set_config(made, name, value)
      guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, "\(place(topic)), setting \(name)") }
    }
    let answer = try handle.ask(RD_KAFKA_ADMIN_OP_CREATETOPICS, place(topic), deadline) { options, queue in
      var request: OpaquePointer? = made
      if isTrial { _ = withReasonBuffer { rd_kafka_AdminOptions_set_validate_only(options, 1, $0, $1) } }
      rd_kafka_CreateTopics(handle.client, &request, 1, options, queue)
    }
    defer { rd_kafka_event_destroy(answer) }
    var count = 0
    let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &count)
    var isNew = true
    if count > 0, let result = results?[0] {
      switch rd_kafka_topic_result_error(result) {
      case RD_KAFKA_RESP_ERR_NO_ERROR: break
      case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: isNew = false
      case let code:
        let reason = rd_kafka_topic_result_error_string(result).map { String(cString: $0) }
        throw handle.error(code, place(topic), reason: reason, needs: .create(topic))
      }
    }
    if isTrial { return isNew }
    // The controller has agreed. The brokers learn of the topic later, and until then they would refuse a send.
    while try handle.metadata(of: topic, deadline: deadline)?.isReady != true {
      guard !deadline.hasPassed else {
        throw KafkaError(
          RD_KAFKA_RESP_ERR__TIMED_OUT, place(topic),
          reason: "it was created, but not all of its partitions had a leader after \(timeout.inMilliseconds) ms")
      }
      deadline.pause(for: .milliseconds(20))
    }
    return isNew
  }

  /// The settings of a topic as text, including those that it inherits from the broker. Secret ones are left out.
  package final func topicSettings(_ topic: String, timeout: Duration) throws(KafkaError) -> [String: String] {
    try handle(for: place(topic)).settings(
      RD_KAFKA_RESOURCE_TOPIC, topic, place(topic), needs: .describeSettings(topic),
      Deadline(in: timeout))
  }

  /// The settings of a broker as text, requested from that broker. Secret ones are left out.
  package final func brokerSettings(_ id: Int32, timeout: Duration) throws(KafkaError) -> [String: String] {
    let place = "broker \(id)"
    return try handle(for: place).settings(
      RD_KAFKA_RESOURCE_BROKER, String(id), place, needs: .describeBrokerSettings,
      Deadline(in: timeout))
  }
}

extension Handle {
  fileprivate func settings(
    _ kind: rd_kafka_ResourceType_t, _ name: String, _ place: String, needs: MissingRight.Need, _ deadline: Deadline
  ) throws(KafkaError) -> [String: String] {
    let resource = rd_kafka_ConfigResource_new(kind, name)
    defer { rd_kafka_ConfigResource_destroy(resource) }
    let answer = try ask(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, place, deadline) { options, queue in
      var request = resource
      rd_kafka_DescribeConfigs(client, &request, 1, options, queue)
    }
    defer { rd_kafka_event_destroy(answer) }
    var count = 0
    let found = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(answer), &count)
    guard count > 0, let described = found?[0] else { return [:] }
    let code = rd_kafka_ConfigResource_error(described)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
      let reason = rd_kafka_ConfigResource_error_string(described).map { String(cString: $0) }
      throw error(code, place, reason: reason, needs: needs)
    }
    var entryCount = 0
    let entries = rd_kafka_ConfigResource_configs(described, &entryCount)
    var settings: [String: String] = [:]
    for index in 0..<entryCount {
      guard let entry = entries?[index], let value = rd_kafka_ConfigEntry_value(entry) else { continue }
      settings[String(cString: rd_kafka_ConfigEntry_name(entry))] = String(cString: value)
    }
    return settings
  }
}

extension Handle {
  /// Sends one administrative request and waits for its answer, an event that the caller destroys.
  func ask(
    _ operation: rd_kafka_admin_op_t, _ place: String, _ deadline: Deadline,
    send: (_ options: OpaquePointer?, _ queue: OpaquePointer?) -> Void
  ) throws(KafkaError) -> OpaquePointer {
    let limit = max(1, deadline.milliseconds())
    let options = rd_kafka_AdminOptions_new(client, operation)
    defer { rd_kafka_AdminOptions_destroy(options) }
    let (_, _) = withReasonBuffer { rd_kafka_AdminOptions_set_request_timeout(options, limit, $0, $1) }
    // Only for operations that have a second phase at the broker. The others reject this option, which does no harm.
    let (_, _) = withReasonBuffer { rd_kafka_AdminOptions_set_operation_timeout(options, limit, $0, $1) }
    // A separate queue: a late answer is dropped instead of reaching another caller.
    let queue = rd_kafka_queue_new(client)
    defer { rd_kafka_queue_destroy(queue) }
    send(options, queue)
    // The library itself gives up at the limit and reports why, so this waits a little longer.
    guard let answer = rd_kafka_queue_poll(queue, limit + 500) else {
      throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, place, reason: "no answer within \(limit) ms")
    }
    let code = rd_kafka_event_error(answer)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
      defer { rd_kafka_event_destroy(answer) }
      throw error(code, place, reason: rd_kafka_event_error_string(answer).map { String(cString: $0) })
    }
    return answer
  }
}
