import Crdkafka
import Glibc
package import Messaging

/// A message that was read. Its pointers are valid as long as it exists; it may outlive its consumer.
///
/// Until `releaseContent`, it keeps in memory the whole batch of the broker's answer in which it arrived. Keep only a
/// few messages, and not for long.
package final class KafkaMessage: Message, @unchecked Sendable {
  // nil once the content has been released.
  private var raw: UnsafeMutablePointer<rd_kafka_message_t>?
  // Requested by `init`: the library parses headers at the first request, which would race later.
  private var nativeHeaders: OpaquePointer?
  // The key of a message whose content has been released; nil even then if the key is null.
  private var keptKey: UnsafeMutableRawBufferPointer?
  // The client must not be destroyed before its messages.
  private let handle: Handle

  package let topic: String
  package let partition: Int32
  package let offset: Int64
  /// Milliseconds since 1970, by the producer's or the broker's clock, depending on the topic; nil if there is none.
  package let timestamp: Int64?
  /// The total bytes of key, value, and the names and values of the headers.
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

  /// Releases value and headers, which take up nearly all of its memory; the rest stays available. No other thread may
  /// be using the message, and nobody may request its value or headers after this.
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

  /// Whether value and headers have been released.
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

  /// Released content cannot be told from content that never existed: the caller would mistake an image for a deletion.
  private var content: UnsafeMutablePointer<rd_kafka_message_t> {
    guard let raw else { preconditionFailure("the content of \(topic)-\(partition)@\(offset) was given back before") }
    return raw
  }

  /// The value of the last header with that name; nil if there is none, empty if it is null.
  package func header(_ name: String) -> UnsafeRawBufferPointer? {
    _ = content
    guard let nativeHeaders else { return nil }
    var start: UnsafeRawPointer?
    var size = 0
    let code = rd_kafka_header_get_last(nativeHeaders, name, &start, &size)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
    return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : size)
  }

  /// All headers, in the order of the message.
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

/// Calls `body` for each header. A null value has no base address.
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
