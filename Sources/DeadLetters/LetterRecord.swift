import Kafka
import Messaging
import Platform
import Wire

/// A dead letter as it is stored in a topic or on disk.
package struct LetterRecord {
  /// The prefix of the headers that make a message a dead letter.
  static let prefix = "__connect.errors."

  /// The message's key and value; nil is Kafka's null.
  let key: UnsafeRawBufferPointer?
  let value: UnsafeRawBufferPointer?
  let headers: [MessageHeader]
  /// Keeps the bytes of key and value in memory.
  let owner: AnyObject

  init(key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, headers: [MessageHeader], owner: AnyObject) {
    self.key = key
    self.value = value
    self.headers = headers
    self.owner = owner
  }

  init(_ message: KafkaMessage) {
    self.init(
      key: message.key, value: message.value, headers: message.headers(), owner: message)
  }

  /// The bytes of key, value and headers.
  var size: Int {
    (key?.count ?? 0) + (value?.count ?? 0) + headers.reduce(0) { $0 + $1.nameBytes.count + $1.value.count }
  }

  /// The message as it was before it became a dead letter.
  var original: LetterRecord {
    LetterRecord(
      key: key, value: value, headers: headers.filter { !$0.nameBytes.starts(with: Self.prefix.utf8) }, owner: owner)
  }

  /// The text of an error header. If two have the same name, the last one counts, because it was added last.
  func error(_ name: String) -> String? {
    headers.last { $0.nameBytes.elementsEqual((Self.prefix + name).utf8) && !$0.isNull }.map {
      String(decoding: $0.value, as: UTF8.self)
    }
  }

  /// The origin of the dead letter; nil if the headers do not name it, because another program sent the message.
  var origin: MessageOrigin? {
    guard let topic = error("topic"), !topic.isEmpty, let partition = error("partition").flatMap({ Int32($0) }),
      let offset = error("offset").flatMap({ Int64($0) }), partition >= 0, offset >= 0
    else { return nil }
    return MessageOrigin(
      topic: topic, partition: partition, offset: offset, timestamp: error("timestamp").flatMap { Int64($0) })
  }

  /// Why it cannot be sent back to a topic; nil if it can.
  func hindrance(topic: String) -> String? {
    guard let origin else { return "its headers do not name its topic" }
    return origin.topic == topic ? nil : "it is from topic \(origin.topic), and TOPIC is \(topic)"
  }

  /// The identity of a dead letter: 128 bits that stay the same however often it was sent. Every other message has a
  /// different one, even a message at the same offset of a re-created topic, which differs in its time or its content.
  func identity(_ origin: MessageOrigin) -> UInt128 {
    var hash = SHA256()
    func add(_ bytes: UnsafeRawBufferPointer?) {
      // The length precedes each field, so that no two lists of fields make the same bytes.
      withUnsafeBytes(of: Int64(bytes?.count ?? -1)) { hash.update($0) }
      if let bytes { hash.update(bytes) }
    }
    for text in [origin.topic, "\(origin.partition)/\(origin.offset)/\(origin.timestamp ?? -1)"] {
      Array(text.utf8).withUnsafeBytes { add($0) }
    }
    add(key)
    add(value)
    for header in original.headers {
      header.nameBytes.withUnsafeBytes { add($0) }
      header.value.withUnsafeBytes { add(header.isNull ? nil : $0) }
    }
    return hash.finish().bytes.prefix(16).reduce(0) { $0 << 8 | UInt128($1) }
  }
}
