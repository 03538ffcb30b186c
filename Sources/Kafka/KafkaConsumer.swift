import Crdkafka

/// Reads one topic, as a member of a group (`subscribe`) or without one (`assign`). Used by one thread; the callbacks run on it too, within `poll` and
/// `unsubscribeAndClose`.
///
/// Where a partition starts is the caller's word alone, at every assignment: nothing is committed by itself, and no position
/// that has gone is replaced by another in silence.
package final class KafkaConsumer: KafkaClient, @unchecked Sendable {
  /// Where to read a partition from.
  package enum StartOffset: Sendable, Equatable {
    /// The first message that it still has.
    case beginning
    /// The message with this offset, or, where that is a gap, the next one.
    case at(Int64)

    var native: Int64 {
      switch self {
      case .beginning: Int64(crdkafka_offset_beginning)
      case .at(let offset): offset
      }
    }
  }

  /// What `poll` brings.
  package enum Event: Sendable {
    case message(KafkaMessage)
    /// All there is has been read; the next message will have this offset. Comes again after each later message.
    case endOfPartition(Int32, offset: Int64)
    /// The position is before the first or after the last message: the partition rests until `seek`.
    case offsetOutOfRange(Int32, KafkaError)
    /// What `commit` was given is not on record, or not all of it.
    case commitFailed(KafkaError)
    /// Anything else, such as a topic that does not exist, and the partition if it is about one. The consumer goes on by itself
    /// unless it is fatal.
    case failure(KafkaError, partition: Int32? = nil)
  }

  /// Asked where to start each partition that comes; one without an answer starts at the beginning. Set it before
  /// `subscribe`. It may query watermarks and committed offsets, and must not poll.
  package var onAssigned: ((_ partitions: [Int32]) -> [Int32: StartOffset])?
  /// Told of partitions that go, before another consumer can have them; lost: another may have them already. When it
  /// returns, `poll` gives no more of their messages.
  package var onRevoked: ((_ partitions: [Int32], _ lost: Bool) -> Void)?

  /// Text that the group's coordinator keeps with each offset that is committed. Set it before `subscribe`.
  package var commitNote = ""

  let topic: String
  /// What reading needs: the topic, and the group.
  let needs: MissingRight.Need
  var assigned: Set<Int32> = []
  var isPaused = false
  /// The next offset of each assigned partition, as the library takes it: a number, or its mark for the beginning.
  var positions: [Int32: Int64] = [:]
  /// Partitions whose position is not there, so that the library does not read them at all.
  var resting: Set<Int32> = []
  /// What this poll has gathered so far; a revocation within it takes some of that back.
  var batch: [Event] = []
  private var queue: OpaquePointer?
  private var isPolling = false
  private var isSubscribed = false

  /// Makes the consumer, which joins its group at `subscribe`.
  ///
  /// Set here whatever the settings say: `enable.auto.commit` and `enable.auto.offset.store` false, `auto.offset.reset`
  /// error, `enable.partition.eof` true.
  /// - Throws: an error that names the property when the library refuses a setting, or when `group.id` is missing.
  package init(_ settings: KafkaSettings, topic: String) throws(KafkaError) {
    guard settings.values["group.id"]?.isEmpty == false else {
      throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, "Kafka setting group.id", reason: "a consumer needs one")
    }
    let handle = try Handle(RD_KAFKA_CONSUMER, settings.forReading()) { configuration in
      rd_kafka_conf_set_rebalance_cb(configuration, rebalanceCallback)
      rd_kafka_conf_set_offset_commit_cb(configuration, commitCallback)
    }
    // One queue for messages, errors and rebalances: then their order is the order of what happened.
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

  /// Joins the group. Partitions come later, within `poll`. A topic that is not there shows as a `.failure` there. Where no
  /// broker can be reached, this takes a second.
  package func subscribe() throws(KafkaError) {
    let handle = try handle(for: place(topic))
    handle.connect(within: Deadline(milliseconds: 1_000))
    let list = PartitionList(topic, [Int32(crdkafka_any_partition)])
    let code = rd_kafka_subscribe(handle.client, list.pointer)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code, place(topic)) }
    isSubscribed = true
  }

  /// Waits until something has happened or the time is up, then returns all that is there, up to `maximum` events.
  ///
  /// To be called more often than `max.poll.interval.ms`, paused or not, or the group takes the partitions away. Empty
  /// when nothing came, as soon as a callback has run, and after closing.
  package func poll(maximum: Int, timeoutMilliseconds: Int) -> [Event] {
    guard let handle = openHandle, let queue, !isPolling else { return [] }
    isPolling = true
    defer { isPolling = false }
    var wait = batch.isEmpty ? Int32(clamping: max(0, timeoutMilliseconds)) : 0
    while batch.count < maximum {
      // One at a time: the library may run a revocation between two messages of a larger batch, and could then not say
      // which of them came before it.
      var message: UnsafeMutablePointer<rd_kafka_message_t>?
      guard rd_kafka_consume_batch_queue(queue, wait, &message, 1) == 1, let message else { break }
      batch.append(event(of: message, handle))
      wait = 0
    }
    let events = batch
    batch = []
    return events
  }

  /// As `KafkaClient` has it. To be called by the thread that polls: what the client has to say comes the same way, and
  /// nobody may have polled yet. What else has come is kept for the next `poll`.
  package override func lastTrouble() -> ClientTrouble? {
    takeEvents()
    return super.lastTrouble()
  }

  /// Takes what waits into `batch`, where the next `poll` finds it.
  func takeEvents() {
    if !isPolling { batch = poll(maximum: batch.count + 100, timeoutMilliseconds: 0) }
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
    // Of an error that concerns the whole topic the library says partition 0.
    let isOfPartition = assigned.contains(raw.partition) && reason?.hasPrefix("Subscribed topic") != true
    let place = isOfPartition ? place(name, raw.partition, raw.offset) : place(name)
    let error = handle.error(raw.err, place, reason: reason, needs: needs)
    guard error.isOffsetOutOfRange, raw.partition >= 0 else {
      return .failure(error, partition: isOfPartition ? raw.partition : nil)
    }
    resting.insert(raw.partition)
    return .offsetOutOfRange(raw.partition, error)
  }

  /// Whether the library has missed the topic or one of its partitions since this was asked last. It says so as soon as a
  /// fetch fails; as an event of `poll` it comes only with the next refresh of its metadata, up to
  /// `topic.metadata.refresh.interval.ms` later.
  package func takeMissesTopic() -> Bool { openHandle?.context.takeMissesTopic() ?? false }

  /// Has the library compare its subscription with the topics that exist now, and join the group again if these have changed.
  /// It asks for all topics of the cluster: the answer to a question about one does not reach the group (librdkafka 2.0.2).
  package func lookAtSubscription(timeoutMilliseconds: Int) throws(KafkaError) {
    let handle = try handle(for: place(topic))
    var answer: UnsafePointer<rd_kafka_metadata>?
    let code = rd_kafka_metadata(handle.client, 1, nil, &answer, Int32(clamping: timeoutMilliseconds))
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code, place(topic)) }
    rd_kafka_metadata_destroy(answer)
  }

  /// Messages, and what else `poll` brings, that have been fetched and wait for it.
  package var fetchedAhead: Int { queue.map { Int(rd_kafka_queue_length($0)) } ?? 0 }

  /// Ends a wait within `poll` at the next chance, so that what a callback left is seen.
  func wake() {
    if let queue { rd_kafka_queue_yield(queue) }
  }

  /// The partitions of this consumer, ascending.
  var assignment: [Int32] { assigned.sorted() }

  /// Leaves the group, unless it is a static member (`group.instance.id`), and lets the library go; calls `onRevoked` for
  /// what was assigned. Takes at most some 10 s, however the brokers are. Closing twice is harmless.
  ///
  /// Commits that are under way are waited for. Messages that were read stay valid.
  package func unsubscribeAndClose() {
    guard let handle = takeHandle() else { return }
    leave(handle)
    if !assigned.isEmpty { revoked(assigned.sorted(), lost: true) }
    handle.context.close()
    if let queue { rd_kafka_queue_destroy(queue) }
    queue = nil
    batch = []
    onAssigned = nil
    onRevoked = nil
  }

  private func leave(_ handle: Handle) {
    guard isSubscribed else {
      // Without a group there is nothing to leave, but the library is still reading.
      if !assigned.isEmpty { rd_kafka_assign(handle.client, nil) }
      return
    }
    // The plain rd_kafka_consumer_close waits without a bound.
    let closing = rd_kafka_queue_new(handle.client)
    defer { rd_kafka_queue_destroy(closing) }
    // After a fatal error there is nothing to leave.
    if let error = rd_kafka_consumer_close_queue(handle.client, closing) { return rd_kafka_error_destroy(error) }
    let deadline = Deadline(milliseconds: 5000)
    while rd_kafka_consumer_closed(handle.client) == 0, !deadline.hasPassed {
      var message: UnsafeMutablePointer<rd_kafka_message_t>?
      if rd_kafka_consume_batch_queue(closing, 50, &message, 1) == 1 { rd_kafka_message_destroy(message) }
    }
  }
}

extension KafkaSettings {
  /// What every reader here relies on.
  func forReading() -> KafkaSettings {
    var settings = self
    settings.set("enable.auto.commit", "false")
    settings.set("enable.auto.offset.store", "false")
    settings.set("auto.offset.reset", "error")
    settings.set("enable.partition.eof", "true")
    return settings
  }
}
