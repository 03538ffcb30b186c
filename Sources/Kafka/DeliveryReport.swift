import Crdkafka

/// What became of a message that was queued. There is exactly one for each.
package struct DeliveryReport: Sendable {
  /// As given to `send`.
  package let token: UInt64
  /// -1 when none had been chosen yet.
  package let partition: Int32
  /// Where it lies in the partition; -1001 when that is not known.
  package let offset: Int64
  /// Milliseconds since 1970 by the producer's clock, as the message has it in the topic; nil where it has the broker's, which
  /// an embedded cluster's answer does not tell as it is.
  package let timestamp: Int64?
  /// Nil: every replica that has to have it has it (`acks`), by an acknowledgement of its own.
  package let error: KafkaError?
  /// It failed, and yet the broker may have it: sending it again may double it.
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
      // Of several requests under way the library takes the first for arrived where the second has, though its answer was
      // an error. A leader that has just begun takes the second as the first it hears of: then the first is nowhere.
      // The library's mark for no offset is counted on within a batch; -1 is a broker's that does not tell.
      error = .unproven(place(topic(), raw.partition))
      mayHaveArrived = true
    } else {
      error = nil
      mayHaveArrived = false
    }
  }
}
