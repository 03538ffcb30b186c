import Crdkafka
import Platform

/// Reads single messages by partition and offset, outside of any group, so that readers of the topic are not disturbed.
/// Used by one thread at a time.
package final class PartitionReader {
  private let handle: Handle
  /// The partition counts of the topics seen so far.
  private var partitionCounts: [String: Int] = [:]

  /// - Parameter settings: a consumer's settings; those that make it a member of a group are left out.
  /// - Throws: an error that names the property if the library refuses a setting.
  package init(_ settings: KafkaSettings) throws(KafkaError) {
    var own = settings.without("group.id", "group.instance.id").forReading()
    // It needs one message: anything that the library fetches beyond it is wasted.
    own.set("queued.min.messages", "1")
    handle = try Handle(RD_KAFKA_CONSUMER, own)
  }

  /// The message at that offset; nil if it is not there because it has expired, was compacted away, or has not arrived
  /// yet.
  ///
  /// - Throws: an error with `isTimedOut` if the partition did not answer in time, with `isUnknownTopic` if there is no
  ///   such partition.
  package func read(
    topic: String, partition: Int32, offset: Int64, timeout: Duration
  ) throws(KafkaError) -> KafkaMessage? {
    let place = place(topic, partition, offset)
    let deadline = Deadline(in: timeout)
    guard let local = rd_kafka_topic_new(handle.client, topic, nil) else {
      throw handle.error(rd_kafka_last_error(), place)
    }
    defer { rd_kafka_topic_destroy(local) }
    try check(topic, partition, offset, deadline)
    guard rd_kafka_consume_start(local, partition, offset) == 0 else {
      throw handle.error(rd_kafka_last_error(), place)
    }
    defer { rd_kafka_consume_stop(local, partition) }
    var wait: Int32 = 10
    repeat {
      // Errors and logs of the client arrive through another queue.
      rd_kafka_poll(handle.client, 0)
      guard let message = rd_kafka_consume(local, partition, deadline.milliseconds(atMost: wait)) else {
        wake(topic, partition, deadline)
        wait = min(wait * 2, 100)
        continue
      }
      let code = message.pointee.err
      if code == RD_KAFKA_RESP_ERR_NO_ERROR {
        let found = KafkaMessage(taking: message, of: handle)
        // If the offset is in a gap, the broker returns the next message.
        return found.offset == offset ? found : nil
      }
      defer { rd_kafka_message_destroy(message) }
      if code == RD_KAFKA_RESP_ERR__PARTITION_EOF { return nil }
      let reason = rd_kafka_message_errstr(message).map { String(cString: $0) }
      let error = handle.error(code, place, reason: reason, needs: .read(topic, group: nil))
      if error.isOffsetOutOfRange { return nil }
      if error.disposition != .transient { throw error }
    } while !deadline.hasPassed
    // The topic may have been re-created with fewer partitions. With the count forgotten, the next call asks the
    // broker.
    partitionCounts[topic] = nil
    throw KafkaError(
      RD_KAFKA_RESP_ERR__TIMED_OUT, place, reason: "the partition did not answer within \(timeout.inMilliseconds) ms")
  }

  /// The library's fetch thread may have gone to sleep for a second just before it learned of the partition. Any
  /// request to the partition's leader wakes the thread; its answer does not matter.
  private func wake(_ topic: String, _ partition: Int32, _ deadline: Deadline) {
    let list = PartitionList(topic, offsets: [partition: Int64(RD_KAFKA_OFFSET_END)])
    _ = rd_kafka_offsets_for_times(handle.client, list.pointer, deadline.milliseconds(atMost: 100))
  }

  /// The library itself waits silently for a partition that does not exist.
  private func check(
    _ topic: String, _ partition: Int32, _ offset: Int64, _ deadline: Deadline
  ) throws(KafkaError) {
    if Int(partition) < partitionCounts[topic, default: 0] { return }
    let count: Int?
    do {
      count = try handle.metadata(of: topic, deadline: deadline)?.partitions
    } catch {
      // Reading includes the right to look.
      if error.isAuthorization {
        throw handle.error(
          rd_kafka_resp_err_t(error.code), place(topic, partition, offset), reason: error.reason,
          needs: .read(topic, group: nil))
      }
      // Without a broker, the result is the same timeout as in a later call.
      guard error.isTransport else { throw error }
      throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, place(topic, partition, offset), reason: error.reason)
    }
    guard let count else {
      throw KafkaError(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, place(topic, partition, offset))
    }
    guard Int(partition) < count else {
      throw KafkaError(
        RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, place(topic, partition, offset),
        reason: "the topic has \(count) partitions")
    }
    partitionCounts[topic] = count
  }

  /// Reads one message over a connection of its own, which has a cost: for several messages, keep a reader.
  static func read(
    _ settings: KafkaSettings, topic: String, partition: Int32, offset: Int64, timeout: Duration
  ) throws(KafkaError) -> KafkaMessage? {
    try PartitionReader(settings).read(
      topic: topic, partition: partition, offset: offset, timeout: timeout)
  }
}
