import Crdkafka
import Platform
import Synchronization

/// Reads one topic, as a member of a group (`subscribe`) or without a group (`assign`). Used by one thread; the
/// callbacks also run on it, within `poll` and `unsubscribeAndClose`.
///
/// The caller alone decides where a partition starts, at every assignment. Nothing is committed automatically, and a
/// position that no longer exists is never silently replaced.
package final class KafkaConsumer: KafkaClient, @unchecked Sendable {
  /// The position at which to start reading a partition.
  package enum StartOffset: Sendable, Equatable {
    /// The first message that the partition still has.
    case beginning
    /// The message with this offset, or the next one if that is in a gap.
    case at(Int64)

    var native: Int64 {
      switch self {
      case .beginning: Int64(crdkafka_offset_beginning)
      case .at(let offset): offset
      }
    }
  }

  /// An event that `poll` returns.
  package enum Event: Sendable {
    case message(KafkaMessage)
    /// All existing messages have been read; the next one will have this offset. Repeated after each later message.
    case endOfPartition(Int32, offset: Int64)
    /// The position is before the first or after the last message. The partition is not read until `seek`.
    case offsetOutOfRange(Int32, KafkaError)
    /// A `commit` failed, at least in part.
    case commitFailed(KafkaError)
    /// Any other error, such as a topic that does not exist, with the partition if it concerns one. The consumer
    /// continues by itself unless the error is fatal.
    case failure(KafkaError, partition: Int32? = nil)
  }

  /// Called with new partitions; returns where to start each of them. One without an answer starts at the beginning.
  /// Set it before `subscribe`. It may query watermarks and committed offsets, but must not poll.
  package var onAssigned: ((_ partitions: [Int32]) -> [Int32: StartOffset])?
  /// Called with partitions that are revoked, in most cases before another consumer can get them. After it returns, `poll`
  /// returns no more of their messages.
  package var onRevoked: ((_ partitions: [Int32]) -> Void)?

  /// Text that the group's coordinator stores with each committed offset. Set it before `subscribe`.
  package var commitNote = ""

  let topic: String
  /// The rights that reading needs: on the topic, and on the group.
  let needs: MissingRight.Need
  var assigned: Set<Int32> = []
  var isPaused = false
  /// The next offset of each assigned partition, in the library's form: a number, or its mark for the beginning.
  var positions: [Int32: Int64] = [:]
  /// Partitions whose position does not exist, so that the library does not read them.
  var resting: Set<Int32> = []
  /// The events that the current poll has collected; a revocation within it removes some of them.
  var batch: [Event] = []
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
  func takeEvents() {
    if !isPolling { batch = poll(maximum: batch.count + 100, timeout: .zero) }
  }

  /// Removes what arrived from these partitions and was not returned by `poll` yet: it is from another position.
  func forgetEvents(of partitions: [Int32]) {
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
      positions[raw.partition] = raw.offset + 1
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
    resting.insert(raw.partition)
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
  func wake() {
    if let queue { rd_kafka_queue_yield(queue) }
  }

  /// The assigned partitions of this consumer, ascending.
  var assignment: [Int32] { assigned.sorted() }

  /// Calls `onRevoked` for the assigned partitions, leaves the group, unless this is a static member
  /// (`group.instance.id`), and closes the client. Takes at most some 10 s, whatever the state of the brokers. Closing
  /// twice is harmless.
  ///
  /// Waits for commits in progress. Messages that were read stay valid.
  package func unsubscribeAndClose() {
    guard let handle = takeHandle() else { return }
    let context = handle.context
    let wasReading = !assigned.isEmpty
    if wasReading { revoked(assigned.sorted()) }
    // From here on the library's questions are answered without this consumer.
    context.consumer = nil
    if isSubscribed || wasReading { leave(handle) }
    context.close()
    if let queue { rd_kafka_queue_destroy(queue) }
    withExtendedLifetime(handle) {}
    queue = nil
    batch = []
    onAssigned = nil
    onRevoked = nil
  }

  /// Leaving has a thread of its own, so that the wait for it can be bounded. Several of the library's calls wait for its
  /// main thread without limit.
  private func leave(_ handle: Handle) {
    let isDone = StopFlag()
    let carried = Mutex<Handle?>(handle)
    _ = BackgroundThread.start("kafka-leave") { [isSubscribed] in
      let handle = carried.withLock { $0.take()! }
      // Without a group there is nothing to leave, but the library is still reading.
      if isSubscribed { handle.leaveGroup() } else { rd_kafka_assign(handle.client, nil) }
      // Released first, so that the caller is the last holder, and waits until the client is destroyed.
      _ = consume handle
      isDone.set()
    }
    _ = isDone.wait(for: .seconds(6))
  }
}

extension Handle {
  fileprivate func leaveGroup() {
    // The plain rd_kafka_consumer_close waits without limit.
    let closing = rd_kafka_queue_new(client)
    defer { rd_kafka_queue_destroy(closing) }
    // After a fatal error there is nothing to leave.
    if let error = rd_kafka_consumer_close_queue(client, closing) { return rd_kafka_error_destroy(error) }
    let deadline = Deadline(in: .seconds(5))
    while rd_kafka_consumer_closed(client) == 0, !deadline.hasPassed {
      var message: UnsafeMutablePointer<rd_kafka_message_t>?
      if rd_kafka_consume_batch_queue(closing, 50, &message, 1) == 1 { rd_kafka_message_destroy(message) }
    }
  }
}

extension KafkaSettings {
  /// The settings that every reader here relies on.
  func forReading() -> KafkaSettings {
    var settings = self
    settings.set("enable.auto.commit", "false")
    settings.set("enable.auto.offset.store", "false")
    settings.set("auto.offset.reset", "error")
    settings.set("enable.partition.eof", "true")
    return settings
  }
}
