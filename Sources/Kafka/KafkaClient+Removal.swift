import Crdkafka
import Platform

/// Deletes messages: whole topics, and the beginnings of partitions. librdkafka's embedded cluster supports neither.
extension KafkaClient {
  /// Deletes a topic with all of its messages, and waits until no broker that is asked knows it. Asking may create it
  /// again: see `partitionCount(of:timeout:)`.
  ///
  /// - Returns: false if the topic did not exist.
  /// - Throws: among others an error whose `isAuthorization` is set.
  final func deleteTopic(_ topic: String, timeout: Duration) throws(KafkaError) -> Bool {
    let handle = try handle(for: place(topic))
    let deadline = Deadline(in: timeout)
    let removal = rd_kafka_DeleteTopic_new(topic)
    defer { rd_kafka_DeleteTopic_destroy(removal) }
    let answer = try handle.ask(RD_KAFKA_ADMIN_OP_DELETETOPICS, place(topic), deadline) { options, queue in
      var request = removal
      rd_kafka_DeleteTopics(handle.client, &request, 1, options, queue)
    }
    defer { rd_kafka_event_destroy(answer) }
    var count = 0
    let results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer), &count)
    if count > 0, let result = results?[0] {
      switch rd_kafka_topic_result_error(result) {
      case RD_KAFKA_RESP_ERR_NO_ERROR: break
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return false
      case let code:
        let reason = rd_kafka_topic_result_error_string(result).map { String(cString: $0) }
        throw KafkaError(code, place(topic), reason: reason)
      }
    }
    while try handle.metadata(of: topic, deadline: deadline) != nil {
      guard !deadline.hasPassed else {
        throw KafkaError(
          RD_KAFKA_RESP_ERR__TIMED_OUT, place(topic), reason: "it is still there after \(timeout.inMilliseconds) ms")
      }
      deadline.pause(for: .milliseconds(20))
    }
    return true
  }

  /// Deletes the messages of a partition that are before an offset, as retention does.
  ///
  /// - Parameter offset: the first offset that is kept.
  final func deleteRecords(
    of topic: String, partition: Int32, before offset: Int64, timeout: Duration
  ) throws(KafkaError) {
    let place = place(topic, partition, offset)
    let handle = try handle(for: place)
    let list = PartitionList(topic, offsets: [partition: offset])
    let removal = rd_kafka_DeleteRecords_new(list.pointer)
    defer { rd_kafka_DeleteRecords_destroy(removal) }
    let deadline = Deadline(in: timeout)
    let answer = try handle.ask(RD_KAFKA_ADMIN_OP_DELETERECORDS, place, deadline) { options, queue in
      var request = removal
      rd_kafka_DeleteRecords(handle.client, &request, 1, options, queue)
    }
    defer { rd_kafka_event_destroy(answer) }
    let result = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(answer))
    let failed = PartitionList.elements(of: UnsafeMutablePointer(mutating: result)).first {
      $0.err != RD_KAFKA_RESP_ERR_NO_ERROR
    }
    if let failed { throw handle.error(failed.err, place) }
  }
}
