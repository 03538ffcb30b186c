import Crdkafka

/// The result of a queued message. Each queued message gets exactly one.
package struct DeliveryReport: Sendable {
  /// The token that was passed to `send`.
  package let token: UInt64
  /// -1 if no partition had been chosen yet.
  package let partition: Int32
  /// The offset of the message in its partition; -1001 if unknown.
  package let offset: Int64
  /// Milliseconds since 1970 by the producer's clock, as stored in the topic; nil if the topic uses the broker's clock,
  /// which an embedded cluster's answer does not report correctly.
  package let timestamp: Int64?
  /// nil if the message's own acknowledgement says that all replicas required by `acks` have it.
  package let error: KafkaError?
  /// The message failed, but the broker may have it: sending it again may duplicate it.
  let mayHaveArrived: Bool

  init(_ message: UnsafePointer<rd_kafka_message_t>, of handle: Handle) {
    let raw = message.pointee
    token = UInt64(UInt(bitPattern: raw._private))
    partition = raw.partition
    offset = raw.offset
    var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
    let time = rd_kafka_message_timestamp(message, &kind)
    timestamp = kind == RD_KAFKA_TIMESTAMP_CREATE_TIME && time >= 0 ? time : nil
    func topic() -> String { raw.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? "" }
    if raw.err != RD_KAFKA_RESP_ERR_NO_ERROR {
      error = handle.error(raw.err, place(topic(), raw.partition), needs: .write(topic()))
      mayHaveArrived = rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED
    } else if raw.offset < -1 {
      // With several requests in flight, the library can report a lost message as delivered:
      // 1. The broker answers the first request with an error.
      // 2. The broker acknowledges the second request.
      // 3. The library concludes that the first one arrived too, and reports it without an offset.
      // The conclusion is wrong if the leader has just started: it accepts the second request as the first one it sees,
      // and the first message is lost.
      // The library increments its mark for "no offset" (-1001) within a batch, so any value below -1 is that mark. -1
      // comes from a broker that does not report offsets.
      error = .unproven(place(topic(), raw.partition))
      mayHaveArrived = true
    } else {
      error = nil
      mayHaveArrived = false
    }
  }
}
