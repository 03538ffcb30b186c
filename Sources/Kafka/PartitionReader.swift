import Crdkafka

/// Reads single messages by their place, outside of any group: what was there is looked at again without disturbing who
/// reads on. Used by one thread at a time.
package final class PartitionReader {
  private let handle: Handle
  /// Partitions of each topic, as far as seen.
  private var partitionCounts: [String: Int] = [:]

  /// - Parameter settings: a consumer's; what makes it a group's member is left out.
  /// - Throws: an error that names the property when the library refuses a setting.
  package init(_ settings: KafkaSettings) throws(KafkaError) {
    var own = settings.without("group.id", "group.instance.id").forReading()
    // It wants one message: what the library fetches beyond it is for nothing.
    own.set("queued.min.messages", "1")
    handle = try Handle(RD_KAFKA_CONSUMER, own)
  }

  /// The message at that place; nil when it is not there, having expired, been compacted away, or not come yet.
  ///
  /// - Throws: an error with `isTimedOut` when the partition did not answer in time, with `isUnknownTopic` when there is no
  ///   such partition.
  package func read(
    topic: String, partition: Int32, offset: Int64, timeoutMilliseconds: Int
  ) throws(KafkaError) -> KafkaMessage? {
    let place = place(topic, partition, offset)
    let deadline = Deadline(milliseconds: timeoutMilliseconds)
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
      // Errors and logs of the client come by another queue.
      rd_kafka_poll(handle.client, 0)
      guard let message = rd_kafka_consume(local, partition, deadline.remaining(atMost: wait)) else {
        wake(topic, partition, deadline)
        wait = min(wait * 2, 100)
        continue
      }
      let code = message.pointee.err
      if code == RD_KAFKA_RESP_ERR_NO_ERROR {
        let found = KafkaMessage(taking: message, of: handle)
        // Where there is a gap, the broker gives the next one.
        return found.offset == offset ? found : nil
      }
      defer { rd_kafka_message_destroy(message) }
      if code == RD_KAFKA_RESP_ERR__PARTITION_EOF { return nil }
      let reason = rd_kafka_message_errstr(message).map { String(cString: $0) }
      let error = handle.error(code, place, reason: reason, needs: .read(topic, group: nil))
      if error.isOffsetOutOfRange { return nil }
      if !error.isRetriable { throw error }
    } while !deadline.hasPassed
    // The topic may have been made anew with fewer: asked the next time, the broker says so.
    partitionCounts[topic] = nil
    throw KafkaError(
      RD_KAFKA_RESP_ERR__TIMED_OUT, place, reason: "the partition did not answer within \(timeoutMilliseconds) ms")
  }

  /// The library's thread that fetches may have gone to sleep for a second just before it was told of the partition. Any
  /// question to the partition's leader wakes it; whether that answers is of no concern.
  private func wake(_ topic: String, _ partition: Int32, _ deadline: Deadline) {
    let list = PartitionList(topic, offsets: [partition: Int64(RD_KAFKA_OFFSET_END)])
    _ = rd_kafka_offsets_for_times(handle.client, list.pointer, deadline.remaining(atMost: 100))
  }

  /// The library itself waits in silence for a partition that is not there.
  private func check(
    _ topic: String, _ partition: Int32, _ offset: Int64, _ deadline: Deadline
  ) throws(KafkaError) {
    if Int(partition) < partitionCounts[topic, default: 0] { return }
    let count: Int?
    do {
      count = try handle.metadata(of: topic, deadline: deadline)?.partitions
    } catch {
      // Without a broker this is the same silence as later on.
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

  /// Reads one message with a connection of its own, which costs some: for several, keep a reader.
  static func read(
    _ settings: KafkaSettings, topic: String, partition: Int32, offset: Int64, timeoutMilliseconds: Int
  ) throws(KafkaError) -> KafkaMessage? {
    try PartitionReader(settings).read(
      topic: topic, partition: partition, offset: offset, timeoutMilliseconds: timeoutMilliseconds)
  }
}
