import Crdkafka
import Platform
import Synchronization

/// A connection to a cluster: the common part of producer and consumer. Safe to call from several threads.
///
/// Every call waits at most for its timeout. After `close`, each call throws an error whose `isClosed`
/// is set. A call that is in progress at that time finishes normally.
package class KafkaClient: @unchecked Sendable {
  private let slot: Mutex<Handle?>
  private let context: ClientContext

  init(handle: Handle) {
    slot = Mutex(handle)
    context = handle.context
  }

  /// The handle, which the caller keeps alive; nil once closed.
  final var openHandle: Handle? { slot.withLock { $0 } }

  final func handle(for place: String) throws(KafkaError) -> Handle {
    guard let handle = openHandle else { throw KafkaError.closed(place) }
    return handle
  }

  /// Releases this client's own reference to the handle. Returns the handle the first time, and nil after that.
  final func takeHandle() -> Handle? {
    slot.withLock { slot in
      let handle = slot
      slot = nil
      return handle
    }
  }

  /// The fatal error of this client, after which it does nothing more. It is kept after closing.
  package final var fatalError: KafkaError? { openHandle?.fatalError ?? context.fatalError }

  /// The last error that kept this client from reaching a broker; nil if there was none. It is kept after a success, so
  /// check its time. The library repeats the same error only every 30 s.
  package func lastTrouble() -> ClientTrouble? { context.lastTrouble }

  /// The id of the cluster, which stays the same as long as the cluster exists.
  package final func clusterID(timeout: Duration) throws(KafkaError) -> String {
    let handle = try handle(for: "cluster id")
    let deadline = Deadline(in: timeout)
    // Waiting for the id does not open a connection.
    handle.connect(within: deadline)
    guard let id = rd_kafka_clusterid(handle.client, deadline.milliseconds()) else {
      throw KafkaError(
        RD_KAFKA_RESP_ERR__TIMED_OUT, "cluster id", reason: "no broker returned it within \(timeout.inMilliseconds) ms")
    }
    defer { rd_kafka_mem_free(handle.client, id) }
    return String(cString: id)
  }

  /// The first offset that a partition holds, and the offset that its next message will get, as its leader knows them
  /// now.
  ///
  /// This sends two requests by "time" instead of calling `rd_kafka_query_watermark_offsets`. In librdkafka 2.0.2, that
  /// function waits beyond its timeout if an answer does not arrive, and may return the end for both if one of its two
  /// requests fails.
  package final func watermarks(
    of topic: String, partition: Int32, timeout: Duration
  ) throws(KafkaError) -> (low: Int64, high: Int64) {
    let deadline = Deadline(in: timeout)
    let high = try offset(of: topic, partition, at: Int64(RD_KAFKA_OFFSET_END), deadline)
    return (try offset(of: topic, partition, at: Int64(RD_KAFKA_OFFSET_BEGINNING), deadline), high)
  }

  /// The offset that a partition's next message will get, as its leader knows it now.
  package final func end(of topic: String, partition: Int32, timeout: Duration) throws(KafkaError) -> Int64 {
    try offset(of: topic, partition, at: Int64(RD_KAFKA_OFFSET_END), Deadline(in: timeout))
  }

  /// The offset of a partition's first message that is not older than a time, in ms since 1970; nil if there is none.
  package final func offset(
    of topic: String, partition: Int32, since time: Int64, timeout: Duration
  ) throws(KafkaError) -> Int64? {
    let found = try offset(of: topic, partition, at: time, Deadline(in: timeout))
    return found < 0 ? nil : found
  }

  /// Asks until a leader answers. The leader of a new topic may not know yet that it leads, or may not know the
  /// partition yet, and the library gives up after two attempts.
  private func offset(
    of topic: String, _ partition: Int32, at time: Int64, _ deadline: Deadline
  ) throws(KafkaError) -> Int64 {
    let place = place(topic, partition)
    let handle = try handle(for: place)
    while true {
      let list = PartitionList(topic, offsets: [partition: time])
      let code = rd_kafka_offsets_for_times(handle.client, list.pointer, deadline.milliseconds())
      let failure =
        code == RD_KAFKA_RESP_ERR_NO_ERROR
        ? list.firstError(of: handle, topic, needs: .describe(topic))
        : handle.error(code, place, needs: .describe(topic))
      guard let failure else { return list.elements[0].offset }
      guard !deadline.hasPassed, failure.isLeaderChange || failure.isUnknownTopic else { throw failure }
      if failure.isUnknownTopic {
        let known = try handle.metadata(of: topic, deadline: deadline)?.partitions ?? 0
        guard Int(partition) < known else { throw failure }
      }
      deadline.pause(for: .milliseconds(50))
    }
  }

  /// Whether one of the brokers creates topics and knows their settings. No broker of an embedded cluster does, and a
  /// request for either would wait in vain.
  package final func hasController(_ topic: String, timeout: Duration) throws(KafkaError) -> Bool {
    let handle = try handle(for: place(topic))
    let deadline = Deadline(in: timeout)
    return try handle.metadata(of: topic, deadline: deadline)?.hasController ?? false
  }

  /// The number of partitions of a topic; nil if the topic does not exist.
  ///
  /// Asking may create the topic if broker and client both allow it: a producer does unless `allow.auto.create.topics`
  /// is false, a consumer does not unless it is true.
  package final func partitionCount(of topic: String, timeout: Duration) throws(KafkaError) -> Int? {
    let handle = try handle(for: place(topic))
    return try handle.metadata(of: topic, deadline: Deadline(in: timeout))?.partitions
  }
}

/// The brokers' information about one topic.
struct TopicMetadata {
  let description: TopicDescription
  var partitions: Int { description.partitions.count }
  /// Whether every partition can be written and read.
  var isReady: Bool { description.partitions.allSatisfy { $0.leader != nil } }
  /// Whether the controller is one of the existing brokers.
  let hasController: Bool
}

extension Handle {
  /// Asks until the answer is final, repeating on temporary errors; nil if the topic does not exist.
  func metadata(of topic: String, deadline: Deadline) throws(KafkaError) -> TopicMetadata? {
    while true {
      do {
        return try askMetadata(of: topic, timeout: deadline.milliseconds())
      } catch {
        guard error.disposition == .transient, !deadline.hasPassed else { throw error }
        deadline.pause(for: .milliseconds(50))
      }
    }
  }

  private func askMetadata(of topic: String, timeout: Int32) throws(KafkaError) -> TopicMetadata? {
    guard let local = rd_kafka_topic_new(client, topic, nil) else {
      throw error(rd_kafka_last_error(), place(topic))
    }
    defer { rd_kafka_topic_destroy(local) }
    var answer: UnsafePointer<rd_kafka_metadata>?
    let code = rd_kafka_metadata(client, 0, local, &answer, timeout)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else {
      throw error(code, place(topic), needs: .describe(topic))
    }
    defer { rd_kafka_metadata_destroy(answer) }
    guard answer.pointee.topic_cnt > 0 else { return nil }
    let found = answer.pointee.topics[0]
    switch found.err {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return nil
    case RD_KAFKA_RESP_ERR_NO_ERROR: break
    default: throw error(found.err, place(topic), needs: .describe(topic))
    }
    let partitions = UnsafeBufferPointer(start: found.partitions, count: Int(found.partition_cnt))
    let brokers = UnsafeBufferPointer(start: answer.pointee.brokers, count: Int(answer.pointee.broker_cnt))
    let controller = rd_kafka_controllerid(client, 0)
    return TopicMetadata(
      description: TopicDescription(partitions: partitions.map(\.description).sorted { $0.number < $1.number }),
      hasController: brokers.contains { $0.id == controller })
  }
}
