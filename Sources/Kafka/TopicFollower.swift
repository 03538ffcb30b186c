import Crdkafka
import Platform

/// Reads all partitions of a topic and goes on at their ends. It belongs to no group, commits nothing, and disturbs no
/// other reader. Used by one thread at a time.
///
/// A position that the topic does not have any more is replaced by the beginning.
package final class TopicFollower {
  package enum Event {
    case message(KafkaMessage)
    /// All existing messages of the partition have been read. Repeated after each later message.
    case endOfPartition(Int32)
    /// The topic cannot be read further, or not by this user. Continue with a new follower.
    case failure(KafkaError)
  }

  private let handle: Handle
  private let topic: OpaquePointer
  private let queue: OpaquePointer
  private let name: String
  private let needs: MissingRight.Need
  /// How many partitions it reads; 0 before `start`.
  package private(set) var partitionCount = 0

  /// - Parameter settings: a client's settings; those that make it a member of a group are left out.
  package init(_ settings: KafkaSettings, topic name: String) throws(KafkaError) {
    var own = settings.without("group.id", "group.instance.id").forReading()
    own.set("auto.offset.reset", "earliest")
    // Messages are handled as soon as they are read, so a short queue is enough.
    own.set("queued.min.messages", "100")
    own.set("queued.max.messages.kbytes", "4096")
    let handle = try Handle(RD_KAFKA_CONSUMER, own)
    guard let topic = rd_kafka_topic_new(handle.client, name, nil) else {
      throw handle.error(rd_kafka_last_error(), place(name))
    }
    self.handle = handle
    self.topic = topic
    self.name = name
    queue = rd_kafka_queue_new(handle.client)
    needs = .read(name, group: nil)
  }

  deinit {
    for partition in 0..<Int32(partitionCount) { rd_kafka_consume_stop(topic, partition) }
    rd_kafka_queue_destroy(queue)
    rd_kafka_topic_destroy(topic)
  }

  /// Starts to read. To be called once more if the topic does not exist.
  /// - Parameter positions: where to start; a partition without one starts at the beginning.
  /// - Returns: false if the topic does not exist.
  package func start(at positions: [Int32: Int64], timeout: Duration) throws(KafkaError) -> Bool {
    let client = KafkaClient(handle: handle)
    guard let count = try client.partitionCount(of: name, timeout: timeout), count > 0 else { return false }
    for partition in 0..<Int32(count) {
      let position = positions[partition] ?? Int64(crdkafka_offset_beginning)
      guard rd_kafka_consume_start_queue(topic, partition, position, queue) == 0 else {
        throw handle.error(rd_kafka_last_error(), place(name))
      }
      partitionCount = Int(partition) + 1
    }
    return true
  }

  /// The next event; nil if there is none within the timeout.
  package func next(timeout: Duration) -> Event? {
    let deadline = Deadline(in: timeout)
    repeat {
      // Errors and logs of the client arrive through another queue.
      rd_kafka_poll(handle.client, 0)
      guard let message = rd_kafka_consume_queue(queue, deadline.milliseconds(atMost: 100)) else { continue }
      let code = message.pointee.err
      if code == RD_KAFKA_RESP_ERR_NO_ERROR { return .message(KafkaMessage(taking: message, of: handle)) }
      defer { rd_kafka_message_destroy(message) }
      if code == RD_KAFKA_RESP_ERR__PARTITION_EOF { return .endOfPartition(message.pointee.partition) }
      let reason = rd_kafka_message_errstr(message).map { String(cString: $0) }
      let error = handle.error(code, place(name), reason: reason, needs: needs)
      if error.disposition != .transient { return .failure(error) }
    } while !deadline.hasPassed
    return nil
  }
}
