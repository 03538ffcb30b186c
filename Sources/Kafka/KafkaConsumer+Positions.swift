import Crdkafka
import Platform

/// The read positions of this consumer, pausing, and the committed offsets of its group.
extension KafkaConsumer {
  /// Continues an assigned partition from another offset. Messages that were fetched from the old one are dropped.
  ///
  /// Waits up to 5 s if an assignment is still taking effect.
  package func seek(partition: Int32, to start: StartOffset) throws(KafkaError) {
    let place = place(topic, partition, start.native)
    let handle = try handle(for: place)
    if resting.contains(partition) {
      try restart(partition, start, handle)
      return forgetEvents(of: [partition])
    }
    let deadline = Deadline(in: .seconds(5))
    while let failure = trySeek(partition, start, handle) {
      // The partition is assigned, but the library's own thread has not begun to read it, or has not ended an earlier
      // read.
      let isPassing =
        failure.isTimedOut
        || [RD_KAFKA_RESP_ERR__STATE, RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS].contains { $0.rawValue == failure.code }
      guard isPassing, assigned.contains(partition), !deadline.hasPassed else { throw failure }
      deadline.pause(for: .milliseconds(10))
    }
    positions[partition] = start.native
    forgetEvents(of: [partition])
  }

  private func trySeek(_ partition: Int32, _ start: StartOffset, _ handle: Handle) -> KafkaError? {
    let list = PartitionList(topic, offsets: [partition: start.native])
    if let error = rd_kafka_seek_partitions(handle.client, list.pointer, 1000) {
      return KafkaError(consuming: error, place(topic, partition, start.native))
    }
    let code = list.elements[0].err
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : handle.error(code, place(topic, partition, start.native))
  }

  /// The library stops reading a partition whose position was out of range, and refuses to seek in it: only an
  /// assignment restarts it. An eager assignment covers all partitions at once, so the others start again at their
  /// positions.
  private func restart(_ partition: Int32, _ start: StartOffset, _ handle: Handle) throws(KafkaError) {
    positions[partition] = start.native
    if isCooperative(handle.client) {
      let list = PartitionList(topic, offsets: [partition: start.native])
      if let error = remove(handle.client, list.pointer) ?? add(handle.client, list.pointer) { throw error }
    } else {
      let list = PartitionList(topic, offsets: positions.filter { assigned.contains($0.key) })
      if let error = replace(handle.client, list.pointer) { throw error }
    }
    resting.remove(partition)
    if isPaused { try change(handle, rd_kafka_pause_partitions) }
  }

  /// Stops reading all assigned partitions, and those that are assigned before `resumeAll`. `poll` then returns only
  /// events of the group. Nothing is lost: reading continues after the last message that `poll` returned.
  package func pauseAll() throws(KafkaError) {
    let handle = try handle(for: place(topic))
    isPaused = true
    try change(handle, rd_kafka_pause_partitions)
  }

  /// Continues reading where `pauseAll` stopped.
  package func resumeAll() throws(KafkaError) {
    let handle = try handle(for: place(topic))
    // librdkafka 2.0.2 rewinds a partition that is resumed without having been paused: its messages would arrive twice.
    guard isPaused else { return }
    isPaused = false
    try change(handle, rd_kafka_resume_partitions)
  }

  private func change(
    _ handle: Handle,
    _ call: (OpaquePointer?, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?) -> rd_kafka_resp_err_t
  ) throws(KafkaError) {
    guard !assigned.isEmpty else { return }
    let list = PartitionList(topic, assigned.sorted())
    let code = call(handle.client, list.pointer)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code, place(topic)) }
    if let error = list.firstError(of: handle, topic) { throw error }
  }

  /// Commits the offset of the next message for each partition, without waiting. A failure arrives as a `.commitFailed`
  /// event.
  package func commit(_ next: [Int32: Int64]) {
    guard !next.isEmpty, let handle = openHandle else { return }
    let list = PartitionList(topic, offsets: next, note: commitNote)
    let code = rd_kafka_commit(handle.client, list.pointer, 1)
    if code != RD_KAFKA_RESP_ERR_NO_ERROR {
      batch.append(.commitFailed(handle.error(code, "commit of " + place(topic))))
    }
  }

  /// Commits the offset of the next message for each partition, and waits until the group's coordinator has it.
  ///
  /// After a timeout, the commit may still take effect.
  package func commitAndWait(_ next: [Int32: Int64], timeout: Duration) throws(KafkaError) {
    let place = "commit of " + place(topic)
    let handle = try handle(for: place)
    guard !next.isEmpty else { return }
    let list = PartitionList(topic, offsets: next, note: commitNote)
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
    let failed = PartitionList.elements(of: rd_kafka_event_topic_partition_list(answer)).first {
      $0.err != RD_KAFKA_RESP_ERR_NO_ERROR
    }
    if let failed {
      throw handle.error(failed.err, "commit of " + Kafka.place(topic, failed.partition, failed.offset), needs: needs)
    }
    let whole = rd_kafka_event_error(answer)
    guard whole == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(whole, place, needs: needs) }
  }

  /// The committed offsets of the group; a partition without one is absent.
  ///
  /// - Throws: among others an error whose `isAuthorization` is set, if this user may not read as the group.
  package func committed(partitions: [Int32], timeout: Duration) throws(KafkaError) -> [Int32: Int64] {
    try commits(partitions: partitions, timeout: timeout).mapValues(\.offset)
  }

  /// A committed offset of the group.
  package struct Commit: Sendable, Equatable {
    package let offset: Int64
    /// The `commitNote` at the time of the commit; empty if a tool or another client committed the offset.
    package let note: String
  }

  /// As `committed`, with the notes.
  package func commits(partitions: [Int32], timeout: Duration) throws(KafkaError) -> [Int32: Commit] {
    let handle = try handle(for: place(topic))
    guard !partitions.isEmpty else { return [:] }
    let list = PartitionList(topic, partitions)
    let deadline = Deadline(in: timeout)
    var code = rd_kafka_committed(handle.client, list.pointer, deadline.milliseconds(atMost: Self.refusalMilliseconds))
    if code == RD_KAFKA_RESP_ERR__TIMED_OUT {
      if let refusal = waitingRefusal() { throw refusal }
      code = rd_kafka_committed(handle.client, list.pointer, deadline.milliseconds())
    }
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
      throw handle.error(code, "committed offsets of " + place(topic), needs: needs)
    }
    if let error = list.firstError(of: handle, topic, needs: needs) { throw error }
    var commits: [Int32: Commit] = [:]
    for element in list.elements where element.offset >= 0 {
      let note = UnsafeRawBufferPointer(
        start: element.metadata, count: element.metadata == nil ? 0 : element.metadata_size)
      commits[element.partition] = Commit(offset: element.offset, note: String(decoding: note, as: UTF8.self))
    }
    return commits
  }

  /// How long to wait for the group's coordinator before checking whether the broker refuses to name it, in ms.
  private static let refusalMilliseconds: Int32 = 2_000

  /// The broker's refusal to name the group's coordinator. It arrives as an event, so a caller that waits for the
  /// coordinator does not see it.
  private func waitingRefusal() -> KafkaError? {
    takeEvents()
    for case .failure(let error, _) in batch where error.isAuthorization { return error }
    return nil
  }
}
