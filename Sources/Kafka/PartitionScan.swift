import Crdkafka
import Platform

/// Reads a partition from its first message, or a later one, to its current end. It runs outside of any group and does
/// not disturb other readers. Used by one thread at a time.
package final class PartitionScan {
  /// The offset after the last message to be read.
  let end: Int64
  private let handle: Handle
  private let topic: OpaquePointer
  private let partition: Int32
  private let place: String
  private let needs: MissingRight.Need
  private var isOver: Bool

  /// - Parameters:
  ///   - settings: a consumer's settings; those that make it a member of a group are left out.
  ///   - last: starts this many offsets before the end; nil starts at the first message.
  ///   - from: starts at this offset at the earliest.
  /// - Throws: an error with `isTimedOut` if the partition did not answer in time, with `isUnknownTopic` if there is no
  ///   such partition.
  package init(
    _ settings: KafkaSettings, topic: String, partition: Int32, last: Int? = nil, from: Int64? = nil,
    timeout: Duration
  ) throws(KafkaError) {
    var own = settings.without("group.id", "group.instance.id").forReading()
    // For small messages, the library's own overhead is the larger part: 100,000 of them, the default, take 100 MB.
    own.set("queued.min.messages", "1000")
    let handle = try Handle(RD_KAFKA_CONSUMER, own)
    place = Kafka.place(topic, partition)
    needs = .read(topic, group: nil)
    // The library itself waits silently for a partition that does not exist.
    let client = KafkaClient(handle: handle)
    let marks = try client.watermarks(of: topic, partition: partition, timeout: timeout)
    guard let local = rd_kafka_topic_new(handle.client, topic, nil) else {
      throw handle.error(rd_kafka_last_error(), place)
    }
    let start = max(last.map { marks.high - Int64($0) } ?? marks.low, from ?? marks.low)
    let native = start <= marks.low ? Int64(crdkafka_offset_beginning) : start
    guard rd_kafka_consume_start(local, partition, native) == 0 else {
      let error = handle.error(rd_kafka_last_error(), place)
      rd_kafka_topic_destroy(local)
      throw error
    }
    self.handle = handle
    self.topic = local
    self.partition = partition
    end = marks.high
    isOver = max(start, marks.low) >= marks.high
  }

  deinit {
    rd_kafka_consume_stop(topic, partition)
    rd_kafka_topic_destroy(topic)
  }

  /// The next message; nil at the end and on every later call.
  ///
  /// - Throws: an error with `isTimedOut` if the partition did not answer in time.
  package func next(timeout: Duration) throws(KafkaError) -> KafkaMessage? {
    let deadline = Deadline(in: timeout)
    while !isOver {
      // Errors and logs of the client arrive through another queue.
      rd_kafka_poll(handle.client, 0)
      guard let message = rd_kafka_consume(topic, partition, deadline.milliseconds(atMost: 100)) else {
        if !deadline.hasPassed { continue }
        throw KafkaError(
          RD_KAFKA_RESP_ERR__TIMED_OUT, place,
          reason: "the partition did not answer within \(timeout.inMilliseconds) ms")
      }
      let code = message.pointee.err
      if code == RD_KAFKA_RESP_ERR_NO_ERROR {
        let found = KafkaMessage(taking: message, of: handle)
        // The last message may be followed by control records, which are not delivered.
        isOver = found.offset + 1 >= end
        return found.offset < end ? found : nil
      }
      defer { rd_kafka_message_destroy(message) }
      if code == RD_KAFKA_RESP_ERR__PARTITION_EOF {
        isOver = true
        return nil
      }
      let reason = rd_kafka_message_errstr(message).map { String(cString: $0) }
      let error = handle.error(code, place, reason: reason, needs: needs)
      if error.disposition != .transient { throw error }
    }
    return nil
  }
}
