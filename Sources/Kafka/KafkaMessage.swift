import Crdkafka
import Glibc
package import Messaging

/// A message that was read. Its pointers are valid as long as it lives; it may outlive its consumer.
///
/// It keeps the whole batch of the broker's answer in memory that it came in, until `releaseContent`: keep few of them, and
/// not for long.
package final class KafkaMessage: Message, @unchecked Sendable {
  // nil once its content was given back.
  private var raw: UnsafeMutablePointer<rd_kafka_message_t>?
  // Asked for by `init`: the library parses headers at the first request, which would race later.
  private var nativeHeaders: OpaquePointer?
  // The key of a message whose content was given back; nil there too where it is null.
  private var keptKey: UnsafeMutableRawBufferPointer?
  // The library must not go before its messages.
  private let handle: Handle

  package let topic: String
  package let partition: Int32
  package let offset: Int64
  /// Milliseconds since 1970, the producer's or the broker's clock as the topic has it; nil when there is none.
  package let timestamp: Int64?
  /// Bytes of key, value, and the names and values of the headers.
  package let size: Int

  init(taking raw: UnsafeMutablePointer<rd_kafka_message_t>, of handle: Handle) {
    self.raw = raw
    self.handle = handle
    topic = raw.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? ""
    partition = raw.pointee.partition
    offset = raw.pointee.offset
    var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
    let time = rd_kafka_message_timestamp(raw, &kind)
    timestamp = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || time < 0 ? nil : time
    var list: OpaquePointer?
    nativeHeaders = rd_kafka_message_headers(raw, &list) == RD_KAFKA_RESP_ERR_NO_ERROR ? list : nil
    var size = raw.pointee.key_len + raw.pointee.len
    eachHeader(of: nativeHeaders) { name, value in size += name.count + value.count }
    self.size = size
  }

  deinit {
    if let raw { rd_kafka_message_destroy(raw) }
    keptKey?.deallocate()
  }

  /// Gives value and headers back, which are nearly all of its memory; the rest of it stays. No other thread may be using the
  /// message, and nobody may ask for its value or its headers any more.
  package func releaseContent() {
    guard let raw else { return }
    keptKey = key.map { key in
      let kept = UnsafeMutableRawBufferPointer.allocate(byteCount: key.count, alignment: 1)
      kept.copyMemory(from: key)
      return kept
    }
    nativeHeaders = nil
    self.raw = nil
    rd_kafka_message_destroy(raw)
  }

  /// Whether value and headers were given back.
  package var isReleased: Bool { raw == nil }

  /// Nil is Kafka's null, which is not an empty key.
  package var key: UnsafeRawBufferPointer? {
    guard let raw else { return keptKey.map { UnsafeRawBufferPointer($0) } }
    return raw.pointee.key.map { UnsafeRawBufferPointer(start: $0, count: raw.pointee.key_len) }
  }

  /// Nil is Kafka's null (a tombstone of a compacted topic), which is not an empty value.
  package var value: UnsafeRawBufferPointer? {
    let raw = content
    return raw.pointee.payload.map { UnsafeRawBufferPointer(start: $0, count: raw.pointee.len) }
  }

  /// What was given back cannot be told from what never was there: whoever asks would take an image for a deletion.
  private var content: UnsafeMutablePointer<rd_kafka_message_t> {
    guard let raw else { preconditionFailure("the content of \(topic)-\(partition)@\(offset) was given back before") }
    return raw
  }

  /// The value of the last header of that name; nil when there is none, empty when it is null.
  package func header(_ name: String) -> UnsafeRawBufferPointer? {
    _ = content
    guard let nativeHeaders else { return nil }
    var start: UnsafeRawPointer?
    var size = 0
    let code = rd_kafka_header_get_last(nativeHeaders, name, &start, &size)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
    return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : size)
  }

  /// All headers in the message's order.
  package func headers() -> [MessageHeader] {
    _ = content
    var headers: [MessageHeader] = []
    eachHeader(of: nativeHeaders) { name, value in
      headers.append(
        MessageHeader(nameBytes: Array(name), nullableValue: value.baseAddress == nil ? nil : Array(value)))
    }
    return headers
  }
}

/// A null value comes without an address.
private func eachHeader(
  of list: OpaquePointer?, _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
) {
  guard let list else { return }
  var index = 0
  var name: UnsafePointer<CChar>?
  var start: UnsafeRawPointer?
  var size = 0
  while rd_kafka_header_get_all(list, index, &name, &start, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
    let value = UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : size)
    body(UnsafeRawBufferPointer(start: name, count: name.map { strlen($0) } ?? 0), value)
    index += 1
  }
}
