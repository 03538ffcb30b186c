import Crdkafka
import Platform

/// Reads one topic, as a member of a group (`subscribe`) or without a group (`assign`). Used by one thread; the
/// callbacks also run on it, within `poll` and `unsubscribeAndClose`.
///
/// The caller alone decides where a partition starts, at every assignment. Nothing is committed automatically, and a
/// position that no longer exists is never silently replaced.
package final class KafkaConsumer: KafkaClient, @unchecked Sendable {
  /// Called with new partitions; returns where to start each of them. One without an answer starts at the beginning.
  /// Set it before `subscribe`. It may query watermarks and committed offsets, but must not poll.
  package var onAssigned: ((_ partitions: [Int32]) -> [Int32: StartOffset])?
  /// Called with partitions that are revoked, in most cases before another consumer can get them. After it returns, `poll`
  /// returns no more of their messages.
  package var onRevoked: ((_ partitions: [Int32]) -> Void)?

  /// Text that the group's coordinator stores with each committed offset. Set it before `subscribe`.
  package var commitNote = ""

  private let topic: String
  /// The rights that reading needs: on the topic, and on the group.
  private let needs: MissingRight.Need
  private let assigned: PartitionAssignment
  private let groupOffsets: GroupOffsets
  /// The events that the current poll has collected; a revocation within it removes some of them.
  private var batch: [Event] = []
  private var queue: OpaquePointer?
  private var isPolling = false
  private var isSubscribed = false

  /// Creates the consumer, which joins its group at `subscribe`.
  ///
  /// These properties are set here, whatever the settings say: `enable.auto.commit` and `enable.auto.offset.store`
  /// false, `auto.offset.reset` error, `enable.partition.eof` true.
  /// - Throws: an error that names the property if the library refuses a setting, or if `group.id` is missing.
  package init(_ settings: KafkaSettings, topic: String) throws(KafkaError) {
    guard settings.values["group.id"]?.isEmpty == false else {
      throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, "Kafka setting group.id", reason: "a consumer needs one")
    }
    let handle = try Handle(RD_KAFKA_CONSUMER, settings.forReading()) { configuration in
      rd_kafka_conf_set_rebalance_cb(configuration, rebalanceCallback)
      rd_kafka_conf_set_offset_commit_cb(configuration, commitCallback)
    }
    // One queue for messages, errors and rebalances, so that their order is the order in which they happened.
    rd_kafka_poll_set_consumer(handle.client)
    queue = rd_kafka_queue_get_consumer(handle.client)
    self.topic = topic
    needs = .read(topic, group: settings.values["group.id"])
    assigned = PartitionAssignment(topic: topic)
    groupOffsets = GroupOffsets(topic: topic, needs: needs)
    super.init(handle: handle)
    handle.context.consumer = self
  }

  deinit {
    unsubscribeAndClose()
  }

  /// Joins the group. Partitions arrive later, within `poll`. A topic that does not exist is reported there as a
  /// `.failure`. If no broker can be reached, this takes a second.
  package func subscribe() throws(KafkaError) {
    let handle = try handle(for: place(topic))
    handle.connect(within: Deadline(in: .seconds(1)))
    let list = PartitionList(topic, [Int32(crdkafka_any_partition)])
    let code = rd_kafka_subscribe(handle.client, list.pointer)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code, place(topic)) }
    isSubscribed = true
  }

  /// Reads these partitions without joining the group, for a consumer that shares its work with nobody. `onAssigned`
  /// and `poll` treat it like an assignment by the group. Use it instead of `subscribe`.
  package func assign(_ partitions: [Int32]) throws(KafkaError) {
    let handle = try handle(for: place(topic))
    handle.connect(within: Deadline(in: .seconds(1)))
    let list = PartitionList(topic, partitions)
    if let error = assigned.add(list.pointer, from: onAssigned?(partitions) ?? [:], handle.client) { throw error }
  }

  // MARK: Polling

  /// Waits for an event or for the timeout, then returns everything that is available, up to `maximum` events.
  ///
  /// Call it more often than `max.poll.interval.ms`, paused or not; otherwise the group revokes the partitions. The
  /// result is empty if nothing arrived, as soon as a callback has run, and after closing.
  package func poll(maximum: Int, timeout: Duration) -> [Event] {
    guard let handle = openHandle, let queue, !isPolling else { return [] }
    isPolling = true
    defer { isPolling = false }
    var wait = batch.isEmpty ? Int32(clamping: max(0, timeout.inMilliseconds)) : 0
    while batch.count < maximum {
      // One message at a time: within a larger batch, the library may run a revocation between two messages, and then
      // could not tell which of them came before it.
      var message: UnsafeMutablePointer<rd_kafka_message_t>?
      guard rd_kafka_consume_batch_queue(queue, wait, &message, 1) == 1, let message else { break }
      batch.append(event(of: message, handle))
      wait = 0
    }
    let events = batch
    batch = []
    return events
  }

  /// As in `KafkaClient`. Call it on the thread that polls: the client's errors arrive through the same queue, and
  /// nobody may have polled yet. Other events are kept for the next `poll`.
  package override func lastTrouble() -> ClientTrouble? {
    takeEvents()
    return super.lastTrouble()
  }

  /// Moves waiting events into `batch`, which the next `poll` returns.
  private func takeEvents() {
    if !isPolling { batch = poll(maximum: batch.count + 100, timeout: .zero) }
  }

  /// Removes what arrived from these partitions and was not returned by `poll` yet: it is from another position.
  private func forgetEvents(of partitions: [Int32]) {
    batch.removeAll { event in
      switch event {
      case .message(let message): partitions.contains(message.partition)
      case .endOfPartition(let partition, _), .offsetOutOfRange(let partition, _): partitions.contains(partition)
      case .commitFailed, .failure: false
      }
    }
  }

  private func event(of message: UnsafeMutablePointer<rd_kafka_message_t>, _ handle: Handle) -> Event {
    let raw = message.pointee
    if raw.err == RD_KAFKA_RESP_ERR_NO_ERROR {
      assigned.passed(raw.partition, raw.offset)
      return .message(KafkaMessage(taking: message, of: handle))
    }
    defer { rd_kafka_message_destroy(message) }
    if raw.err == RD_KAFKA_RESP_ERR__PARTITION_EOF { return .endOfPartition(raw.partition, offset: raw.offset) }
    let name = raw.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? topic
    let reason = rd_kafka_message_errstr(message).map { String(cString: $0) }
    // For an error that concerns the whole topic, the library reports partition 0.
    let isOfPartition = assigned.contains(raw.partition) && reason?.hasPrefix("Subscribed topic") != true
    let place = isOfPartition ? place(name, raw.partition, raw.offset) : place(name)
    let error = handle.error(raw.err, place, reason: reason, needs: needs)
    guard error.isOffsetOutOfRange, raw.partition >= 0 else {
      return .failure(error, partition: isOfPartition ? raw.partition : nil)
    }
    assigned.rest(raw.partition)
    return .offsetOutOfRange(raw.partition, error)
  }

  /// Whether the library has found the topic or one of its partitions missing since the last call. This is known as
  /// soon as a fetch fails. The event of `poll` comes only with the next refresh of the metadata, up to
  /// `topic.metadata.refresh.interval.ms` later.
  package func takeMissesTopic() -> Bool { openHandle?.context.takeMissesTopic() ?? false }

  /// Makes the library compare its subscription with the existing topics, and rejoin the group if they have changed. It
  /// requests all topics of the cluster: the answer to a request for one topic does not reach the group (librdkafka
  /// 2.0.2).
  package func lookAtSubscription(timeout: Duration) throws(KafkaError) {
    let handle = try handle(for: place(topic))
    var answer: UnsafePointer<rd_kafka_metadata>?
    let code = rd_kafka_metadata(handle.client, 1, nil, &answer, Int32(clamping: timeout.inMilliseconds))
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code, place(topic)) }
    rd_kafka_metadata_destroy(answer)
  }

  /// The number of messages and other events that have been fetched and wait for `poll`.
  package var fetchedAhead: Int { queue.map { Int(rd_kafka_queue_length($0)) } ?? 0 }

  /// Ends a wait within `poll` at the next opportunity, so that events left by a callback are seen.
  private func wake() {
    if let queue { rd_kafka_queue_yield(queue) }
  }

  /// The offset after a partition's last message, as reported by the last fetch; sends no request. nil before the first
  /// fetch.
  package func knownEnd(partition: Int32) -> Int64? {
    guard let handle = openHandle else { return nil }
    var low: Int64 = 0
    var high: Int64 = 0
    let code = rd_kafka_get_watermark_offsets(handle.client, topic, partition, &low, &high)
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : nil
  }

  // MARK: Assignment

  /// The assigned partitions of this consumer, ascending.
  var assignment: [Int32] { assigned.partitions }

  /// The next offset of each of them, or the library's mark for the beginning.
  var positions: [Int32: Int64] { assigned.positions }

  /// Handles an assignment or a revocation by the group. The library calls this within `poll` and while closing.
  fileprivate func rebalance(_ code: rd_kafka_resp_err_t, _ list: PartitionList.Native?, _ client: OpaquePointer) {
    let partitions = PartitionList.elements(of: list).map(\.partition)
    switch code {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
      report(assigned.add(list, from: onAssigned?(partitions) ?? [:], client))
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
      revoke(partitions)
      report(assigned.release(list, client))
    default:
      // The library asks to be brought to a known state.
      let all = assigned.partitions
      revoke(all)
      report(assigned.releaseAll(all, client))
      report(KafkaError(code, place(topic)))
    }
    wake()
  }

  private func report(_ error: KafkaError?) {
    if let error { batch.append(.failure(error)) }
  }

  private func revoke(_ partitions: [Int32]) {
    forgetEvents(of: partitions)
    assigned.forget(partitions)
    onRevoked?(partitions)
  }

  /// Continues an assigned partition from another offset. Messages that were fetched from the old one are dropped.
  ///
  /// Waits up to 5 s if an assignment is still taking effect.
  package func seek(partition: Int32, to start: StartOffset) throws(KafkaError) {
    try assigned.seek(partition, to: start.native, handle(for: place(topic, partition, start.native)))
    forgetEvents(of: [partition])
  }

  /// Stops reading all assigned partitions, and those that are assigned before `resumeAll`. `poll` then returns only
  /// events of the group. Nothing is lost: reading continues after the last message that `poll` returned.
  package func pauseAll() throws(KafkaError) { try assigned.pause(handle(for: place(topic))) }

  /// Continues reading where `pauseAll` stopped.
  package func resumeAll() throws(KafkaError) { try assigned.resume(handle(for: place(topic))) }

  // MARK: Committed offsets

  /// Commits the offset of the next message for each partition, without waiting. A failure arrives as a `.commitFailed`
  /// event.
  package func commit(_ next: [Int32: Int64]) {
    guard !next.isEmpty, let handle = openHandle else { return }
    if let error = groupOffsets.commit(next, note: commitNote, handle) { batch.append(.commitFailed(error)) }
  }

  /// Handles the library's answer to a `commit`.
  fileprivate func committed(_ code: rd_kafka_resp_err_t, _ list: PartitionList.Native?) {
    guard let error = groupOffsets.failure(code, list, openHandle) else { return }
    batch.append(.commitFailed(error))
    wake()
  }

  /// Commits the offset of the next message for each partition, and waits until the group's coordinator has it.
  ///
  /// After a timeout, the commit may still take effect.
  package func commitAndWait(_ next: [Int32: Int64], timeout: Duration) throws(KafkaError) {
    let handle = try handle(for: "commit of " + place(topic))
    try groupOffsets.commitAndWait(next, note: commitNote, timeout: timeout, handle)
  }

  /// The committed offsets of the group; a partition without one is absent.
  ///
  /// - Throws: among others an error whose `isAuthorization` is set, if this user may not read as the group.
  package func committed(partitions: [Int32], timeout: Duration) throws(KafkaError) -> [Int32: Int64] {
    try commits(partitions: partitions, timeout: timeout).mapValues(\.offset)
  }

  /// As `committed`, with the notes.
  package func commits(partitions: [Int32], timeout: Duration) throws(KafkaError) -> [Int32: Commit] {
    try groupOffsets.commits(of: partitions, timeout: timeout, handle(for: place(topic))) {
      takeEvents()
      for case .failure(let error, _) in batch where error.isAuthorization { return error }
      return nil
    }
  }

  // MARK: End

  /// Calls `onRevoked` for the assigned partitions, leaves the group, unless this is a static member
  /// (`group.instance.id`), and closes the client. Takes at most some 10 s, whatever the state of the brokers. Closing
  /// twice is harmless.
  ///
  /// Waits for commits in progress. Messages that were read stay valid.
  package func unsubscribeAndClose() {
    guard let handle = takeHandle() else { return }
    let context = handle.context
    let wasReading = !assigned.isEmpty
    if wasReading { revoke(assigned.partitions) }
    // From here on the library's questions are answered without this consumer.
    context.consumer = nil
    if isSubscribed || wasReading { handle.leave(isMember: isSubscribed) }
    context.close()
    if let queue { rd_kafka_queue_destroy(queue) }
    withExtendedLifetime(handle) {}
    queue = nil
    batch = []
    onAssigned = nil
    onRevoked = nil
  }
}

private typealias PartitionListCallback =
  @convention(c) (OpaquePointer?, rd_kafka_resp_err_t, PartitionList.Native?, UnsafeMutableRawPointer?) -> Void

private let rebalanceCallback: PartitionListCallback = { client, code, list, opaque in
  guard let client else { return }
  if let consumer = ClientContext.of(opaque)?.consumer {
    consumer.rebalance(code, list, client)
  } else {
    // The consumer is being freed. Nobody is left to ask, but the library waits for an answer.
    rd_kafka_assign(client, nil)
  }
}

private let commitCallback: PartitionListCallback = { _, code, list, opaque in
  ClientContext.of(opaque)?.consumer?.committed(code, list)
}
