import Kafka
import Messaging
import Platform

/// A dead letter as it lies in a topic or on disk.
package struct LetterRecord {
  /// What the headers begin with that make a message a letter.
  static let prefix = "__connect.errors."

  /// nil is Kafka's null, here and in the value.
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

  /// Bytes of key, value and headers.
  var size: Int {
    (key?.count ?? 0) + (value?.count ?? 0) + headers.reduce(0) { $0 + $1.nameBytes.count + $1.value.count }
  }

  /// The message as it was before it became a letter.
  var original: LetterRecord {
    LetterRecord(
      key: key, value: value, headers: headers.filter { !$0.nameBytes.starts(with: Self.prefix.utf8) }, owner: owner)
  }

  /// What a header says that a letter has; of two the last counts, as the one that was added last.
  func error(_ name: String) -> String? {
    headers.last { $0.nameBytes.elementsEqual((Self.prefix + name).utf8) && !$0.isNull }.map {
      String(decoding: $0.value, as: UTF8.self)
    }
  }

  /// Where the message stood.
  package struct Origin: Hashable {
    let topic: String
    let partition: Int32
    let offset: Int64
    /// In ms since 1970; nil where the message had none, or another program made the letter.
    let timestamp: Int64?
  }

  /// nil where the headers do not say it: somebody else's message.
  var origin: Origin? {
    guard let topic = error("topic"), !topic.isEmpty, let partition = error("partition").flatMap({ Int32($0) }),
      let offset = error("offset").flatMap({ Int64($0) }), partition >= 0, offset >= 0
    else { return nil }
    return Origin(
      topic: topic, partition: partition, offset: offset, timestamp: error("timestamp").flatMap { Int64($0) })
  }

  /// The same for a letter however often it was sent, and another one for every other message: one at the same offset of
  /// a topic that was made anew among them, which differs in its time or its content. 128 bits.
  func identity(_ origin: Origin) -> UInt128 {
    var hash = SHA256()
    func add(_ bytes: UnsafeRawBufferPointer?) {
      // With its length before it, so that no two lists of fields run together to the same bytes.
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
