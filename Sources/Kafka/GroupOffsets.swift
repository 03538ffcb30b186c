import Crdkafka
import Platform

/// The committed offsets of a group in one topic.
struct GroupOffsets {
  private let topic: String
  /// The rights that reading needs: on the topic, and on the group.
  private let needs: MissingRight.Need

  init(topic: String, needs: MissingRight.Need) {
    self.topic = topic
    self.needs = needs
  }

  /// Commits without waiting. Returns the error if the library does not even begin.
  func commit(_ next: [Int32: Int64], note: String, _ handle: Handle) -> KafkaError? {
    let list = PartitionList(topic, offsets: next, note: note)
    let code = rd_kafka_commit(handle.client, list.pointer, 1)
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : handle.error(code, "commit of " + place(topic))
  }

  /// The failure in the library's answer to a commit; nil if there is none.
  func failure(
    _ code: rd_kafka_resp_err_t, _ list: PartitionList.Native?, _ handle: Handle?
  ) -> KafkaError? {
    // Having nothing to commit is not a failure.
    if code == RD_KAFKA_RESP_ERR__NO_OFFSET { return nil }
    let failed = PartitionList.elements(of: list).first { $0.err != RD_KAFKA_RESP_ERR_NO_ERROR }
    let code = failed?.err ?? code
    if code == RD_KAFKA_RESP_ERR_NO_ERROR { return nil }
    let place = "commit of " + place(topic, failed?.partition, failed?.offset)
    return handle?.error(code, place, needs: needs) ?? KafkaError(code, place)
  }

  func commitAndWait(
    _ next: [Int32: Int64], note: String, timeout: Duration, _ handle: Handle
  ) throws(KafkaError) {
    guard !next.isEmpty else { return }
    let place = "commit of " + place(topic)
    let list = PartitionList(topic, offsets: next, note: note)
    // A separate queue, because rd_kafka_commit itself waits without limit.
    let answers = rd_kafka_queue_new(handle.client)
    defer { rd_kafka_queue_destroy(answers) }
    let code = rd_kafka_commit_queue(handle.client, list.pointer, answers, nil, nil)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code, place, needs: needs) }
    guard let answer = rd_kafka_queue_poll(answers, Int32(clamping: timeout.inMilliseconds)) else {
      throw KafkaError(
        RD_KAFKA_RESP_ERR__TIMED_OUT, place,
        reason: "the group's coordinator did not answer within \(timeout.inMilliseconds) ms")
    }
    defer { rd_kafka_event_destroy(answer) }
    let error = failure(rd_kafka_event_error(answer), rd_kafka_event_topic_partition_list(answer), handle)
    if let error { throw error }
  }

  /// - Parameter refusal: the broker's refusal to name the group's coordinator. It arrives as an event, so a call that
  ///   waits for the coordinator does not see it.
  func commits(
    of partitions: [Int32], timeout: Duration, _ handle: Handle, refusal: () -> KafkaError?
  ) throws(KafkaError) -> [Int32: KafkaConsumer.Commit] {
    guard !partitions.isEmpty else { return [:] }
    let list = PartitionList(topic, partitions)
    let deadline = Deadline(in: timeout)
    var code = rd_kafka_committed(handle.client, list.pointer, deadline.milliseconds(atMost: Self.refusalMilliseconds))
    if code == RD_KAFKA_RESP_ERR__TIMED_OUT {
      if let refusal = refusal() { throw refusal }
      code = rd_kafka_committed(handle.client, list.pointer, deadline.milliseconds())
    }
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
      throw handle.error(code, "committed offsets of " + place(topic), needs: needs)
    }
    if let error = list.firstError(of: handle, topic, needs: needs) { throw error }
    var commits: [Int32: KafkaConsumer.Commit] = [:]
    for element in list.elements where element.offset >= 0 {
      let note = UnsafeRawBufferPointer(
        start: element.metadata, count: element.metadata == nil ? 0 : element.metadata_size)
      commits[element.partition] = KafkaConsumer.Commit(
        offset: element.offset, note: String(decoding: note, as: UTF8.self))
    }
    return commits
  }

  /// How long to wait for the group's coordinator before checking whether the broker refuses to name it, in ms.
  private static let refusalMilliseconds: Int32 = 2_000
}
