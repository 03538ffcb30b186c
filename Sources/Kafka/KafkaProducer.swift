import Crdkafka
package import Messaging

/// Sends messages. May be used from several threads.
///
/// A thread of its own takes the delivery reports from the library and calls `onDelivery`: one call at a time, one for
/// each message that was queued. It may call `send`, `purge` and `close`.
package final class KafkaProducer: KafkaClient, @unchecked Sendable {
  /// What became of a message at `send`.
  package enum Outcome: Sendable {
    /// The library has it, and will report on it.
    case queued
    /// `queue.buffering.max.kbytes` or `.messages` is reached: serve reports, then send it again.
    case queueFull
  }

  private let delivery: DeliveryThread

  /// - Throws: an error that names the property when the library refuses a setting.
  package init(
    _ settings: KafkaSettings, onDelivery: @escaping @Sendable (DeliveryReport) -> Void
  ) throws(KafkaError) {
    let handle = try Handle(RD_KAFKA_PRODUCER, settings) { configuration in
      // As events and not by callback: then `flush` only waits, and reports come on one thread alone.
      rd_kafka_conf_set_events(configuration, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR)
    }
    delivery = DeliveryThread(handle: handle, onDelivery: onDelivery)
    super.init(handle: handle)
    delivery.start()
  }

  deinit {
    close()
  }

  /// Queues a message without copying its value. Never blocks.
  ///
  /// - Parameters:
  ///   - partition: nil to let the partitioner choose by the key.
  ///   - key: copied. Empty is an empty key, not Kafka's null.
  ///   - payload: its first `count` bytes are the value. When queued, the memory is the library's; otherwise, an error
  ///     included, it is still the caller's.
  ///   - timestamp: milliseconds since 1970; nil for now.
  ///   - token: comes back in the delivery report.
  /// - Throws: an error with `isMessageTooLarge` above `message.max.bytes`, with `isFatal` when this producer can send
  ///   nothing more, with `isClosed` after `close`.
  package func send(
    topic: String, partition: Int32? = nil, key: UnsafeRawBufferPointer, payload: PayloadBuffer,
    headers: [MessageHeader], timestamp: Int64? = nil, token: UInt64
  ) throws(KafkaError) -> Outcome {
    precondition(!payload.isHandedOver, "a payload is sent once")
    let value = UnsafeRawBufferPointer(rebasing: payload.bytes[..<payload.count])
    let outcome = try queue(
      topic, partition, key: key, value: value, RD_KAFKA_MSG_F_FREE, headers, timestamp, token,
      start: payload.bytes.baseAddress)
    if outcome == .queued { payload.handOver() }
    return outcome
  }

  /// Queues a message whose value the library copies: for the few that are sent as they came.
  ///
  /// - Parameters:
  ///   - key: nil is Kafka's null.
  ///   - value: nil is Kafka's null.
  ///   - token: comes back in the delivery report.
  /// - Throws: as the other `send`.
  package func send(
    topic: String, partition: Int32? = nil, key: UnsafeRawBufferPointer?, copying value: UnsafeRawBufferPointer?,
    headers: [MessageHeader], timestamp: Int64? = nil, token: UInt64
  ) throws(KafkaError) -> Outcome {
    try queue(
      topic, partition, key: key, value: value, RD_KAFKA_MSG_F_COPY, headers, timestamp, token,
      start: value?.baseAddress)
  }

  private func queue(
    _ topic: String, _ partition: Int32?, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, _ flags: Int32,
    _ headers: [MessageHeader], _ timestamp: Int64?, _ token: UInt64, start: UnsafeRawPointer?
  ) throws(KafkaError) -> Outcome {
    // Counted, so that `close` takes back what is queued only after the last message has come.
    guard delivery.enter() else { throw KafkaError.closed(place(topic, partition)) }
    defer { delivery.leave() }
    let handle = delivery.handle
    let code = crdkafka_produce(
      handle.client, topic, partition ?? Int32(crdkafka_any_partition),
      key?.baseAddress, key?.count ?? 0, key == nil ? 1 : 0,
      start, value?.count ?? 0, value == nil ? 1 : 0,
      flags, timestamp ?? 0, headers.makeNative(), UnsafeMutableRawPointer(bitPattern: UInt(token)))
    switch code {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return .queued
    case RD_KAFKA_RESP_ERR__QUEUE_FULL: return .queueFull
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      let size = (key?.count ?? 0) + (value?.count ?? 0)
      throw handle.error(code, "\(place(topic, partition)), a message of \(size) bytes")
    default: throw handle.error(code, place(topic, partition), needs: .write(topic))
    }
  }

  /// Waits until every message has its report, and no longer for `linger.ms`.
  ///
  /// - Returns: true when nothing is queued or in flight; false when the time ran out, at once when called by `onDelivery`.
  package func flush(timeoutMilliseconds: Int) -> Bool {
    guard let handle = openHandle else { return true }
    // Reports come on that thread: to wait there for them would be for nothing.
    if delivery.isCurrent { return rd_kafka_outq_len(handle.client) == 0 }
    let deadline = Deadline(milliseconds: timeoutMilliseconds)
    repeat {
      // In slices, so that `close` on another thread ends it.
      if rd_kafka_flush(handle.client, deadline.remaining(atMost: 100)) == RD_KAFKA_RESP_ERR_NO_ERROR { return true }
    } while !deadline.hasPassed && openHandle != nil
    return rd_kafka_outq_len(handle.client) == 0
  }

  /// Takes back all messages, those in flight included; their reports say so (`isPurged`, and `mayHaveArrived` for those
  /// that were in flight).
  func purge() {
    if let handle = openHandle { rd_kafka_purge(handle.client, purgeAll) }
  }

  /// Messages without a report so far.
  var queuedMessages: Int {
    openHandle.map { Int(rd_kafka_outq_len($0.client)) } ?? 0
  }

  /// Takes back what is queued, reports it, ends the thread, and lets the library go. Takes at most some 10 s, however the
  /// brokers are. To send what is queued, `flush` first. Closing twice is harmless.
  package func close() {
    _ = takeHandle()
    delivery.stop()
  }
}

// Not waiting for the broker threads: one may sit in a name lookup.
let purgeAll = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING
