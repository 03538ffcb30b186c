import Crdkafka
package import Messaging
import Platform

/// Sends messages. May be used from several threads.
///
/// A separate thread takes the delivery reports from the library and calls `onDelivery`: one call at a time, one for
/// each queued message. `onDelivery` may call `send`, `purge` and `close`.
package final class KafkaProducer: KafkaClient, @unchecked Sendable {
  /// The result of `send`.
  package enum Outcome: Sendable {
    /// The library has the message, and will report on it.
    case queued
    /// `queue.buffering.max.kbytes` or `.messages` is reached: wait for delivery reports, then send the message again.
    case queueFull
  }

  private let delivery: DeliveryThread

  /// Creates a client that can answer questions, and send once `reportDeliveries` was called.
  /// - Throws: an error that names the property if the library refuses a setting.
  package init(_ settings: KafkaSettings) throws(KafkaError) {
    let handle = try Handle(RD_KAFKA_PRODUCER, settings) { configuration in
      // Reports arrive as events, not by callback: `flush` then only waits, and reports arrive on one thread alone.
      rd_kafka_conf_set_events(configuration, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR)
    }
    delivery = DeliveryThread(handle: handle)
    super.init(handle: handle)
    delivery.start()
  }

  /// - Throws: an error that names the property if the library refuses a setting.
  package convenience init(
    _ settings: KafkaSettings, onDelivery: @escaping @Sendable (DeliveryReport) -> Void
  ) throws(KafkaError) {
    try self.init(settings)
    reportDeliveries(to: onDelivery)
  }

  /// Sets what receives the delivery reports. To be called before the first message is sent. It may hold this client: it
  /// is released when the client is closed.
  package func reportDeliveries(to onDelivery: @escaping @Sendable (DeliveryReport) -> Void) {
    delivery.report(to: onDelivery)
  }

  deinit {
    close()
  }

  /// Queues a message without copying its value. Never blocks.
  ///
  /// - Parameters:
  ///   - partition: nil to let the partitioner choose by the key.
  ///   - key: copied. Empty is an empty key, not Kafka's null.
  ///   - payload: its first `count` bytes are the value. If the message is queued, the library owns the memory;
  ///     otherwise, including after an error, the caller still owns it.
  ///   - timestamp: milliseconds since 1970; nil for now.
  ///   - token: returned in the delivery report.
  /// - Throws: an error with `isMessageTooLarge` above `message.max.bytes`, with `isFatal` if this producer can send
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

  /// Queues a message whose value the library copies: for the few messages that are sent on unchanged.
  ///
  /// - Parameters:
  ///   - key: nil is Kafka's null.
  ///   - value: nil is Kafka's null.
  ///   - token: returned in the delivery report.
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
    // Senders are counted, so that `close` purges the queue only after the last message has been added.
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

  /// Waits until every message has its report, without waiting for `linger.ms`.
  ///
  /// - Returns: true if nothing is queued or in flight; false after the timeout, or at once if `onDelivery` calls it.
  package func flush(timeout: Duration) -> Bool {
    guard let handle = openHandle else { return true }
    // Reports arrive on that thread, so waiting for them there would be in vain.
    if delivery.isCurrent { return rd_kafka_outq_len(handle.client) == 0 }
    let deadline = Deadline(in: timeout)
    repeat {
      // In slices, so that `close` on another thread ends the wait.
      if rd_kafka_flush(handle.client, deadline.milliseconds(atMost: 100)) == RD_KAFKA_RESP_ERR_NO_ERROR { return true }
    } while !deadline.hasPassed && openHandle != nil
    return rd_kafka_outq_len(handle.client) == 0
  }

  /// Takes back all messages, including those in flight. Their reports have `isPurged` set, and `mayHaveArrived` for
  /// those that were in flight.
  func purge() {
    if let handle = openHandle { rd_kafka_purge(handle.client, purgeAll) }
  }

  /// The number of messages that have no report yet.
  var queuedMessages: Int {
    openHandle.map { Int(rd_kafka_outq_len($0.client)) } ?? 0
  }

  /// Takes back the queued messages and reports them, stops the thread, and closes the client. Takes at most some 10 s,
  /// whatever the state of the brokers. To send the queued messages, call `flush` first. Closing twice is harmless.
  package func close() {
    _ = takeHandle()
    delivery.stop()
  }
}

// Does not wait for the broker threads: one may be in a name lookup.
let purgeAll = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING
