import Synchronization
import Testing

@testable import Kafka
@testable import Messaging
@testable import Platform
@testable import Wire

/// A message that a test sends or finds in a topic.
struct TestMessage: Equatable {
  var key: [UInt8]?
  var value: [UInt8]?
  var headers: [MessageHeader] = []
  /// The target partition; nil: by the key.
  var partition: Int32?
  /// The offset; -1 if not sent yet.
  var offset: Int64 = -1

  static func == (left: TestMessage, right: TestMessage) -> Bool {
    left.key == right.key && left.value == right.value && left.headers == right.headers
  }

  /// A whole image, as our producer sends it.
  static func image(_ name: String, _ bytes: [UInt8]) -> TestMessage {
    let digest = bytes.withUnsafeBytes { SHA256.hash($0) }
    return message(name, bytes[...], ImageHeaders(digest: digest, length: bytes.count))
  }

  /// An image in segments of at most `size` bytes, as our producer sends it.
  /// - Parameter digest: the hash in the headers; nil: the right one.
  static func segments(_ name: String, _ bytes: [UInt8], size: Int, digest: Digest? = nil) -> [TestMessage] {
    let digest = digest ?? bytes.withUnsafeBytes { SHA256.hash($0) }
    let count = (bytes.count + size - 1) / size
    return (0..<count).map { segment(name, bytes, size: size, index: $0, count: count, digest: digest) }
  }

  static func segment(
    _ name: String, _ bytes: [UInt8], size: Int, index: Int, count: Int, digest: Digest
  ) -> TestMessage {
    var part = message(
      name, bytes[(index * size)..<min((index + 1) * size, bytes.count)],
      ImageHeaders(digest: digest, length: bytes.count))
    part.headers += segmentHeaders(name, digest, index: index, count: count, position: index * size)
    return part
  }

  static func segmentHeaders(
    _ name: String, _ digest: Digest, index: Int, count: Int, position: Int
  ) -> [MessageHeader] {
    [
      ("segment-id", ImageHeaders.Segment.id(name: name, digest: digest)), ("segment-index", "\(index)"),
      ("segment-count", "\(count)"), ("segment-position", "\(position)"),
    ].map { MessageHeader(name: $0.0, value: Array($0.1.utf8)) }
  }

  private static func message(_ name: String, _ bytes: ArraySlice<UInt8>, _ headers: ImageHeaders) -> TestMessage {
    let envelope = Envelope(name: name)
    var value = [UInt8](repeating: 0, count: envelope.size(carrying: bytes.count))
    value.withUnsafeMutableBytes { target in bytes.withUnsafeBytes { envelope.write($0, to: target.baseAddress!) } }
    return TestMessage(key: Array(name.utf8), value: value, headers: headers.kafkaHeaders)
  }

  /// Any text under any key.
  static func text(_ value: String, key: String = "key", headers: [MessageHeader] = []) -> TestMessage {
    TestMessage(key: Array(key.utf8), value: Array(value.utf8), headers: headers)
  }

  /// The text of a header; nil if there is no such header.
  func header(_ name: String) -> String? {
    headers.last { $0.name == name }.map { String(decoding: $0.value, as: UTF8.self) }
  }
}

extension Broker {
  /// On the real broker if there is one, else on an embedded one.
  static func preferred(partitions: Int = 1) throws -> Broker {
    if let realServers { return try Broker(real: realServers, partitions: partitions) }
    return try Broker(partitions: partitions)
  }

  /// Sends messages to the topic, in order within each partition, and waits for their delivery.
  /// - Parameter more: client settings that differ from the defaults.
  func send(
    _ messages: [TestMessage], to other: String? = nil, settings more: [String: String] = [:],
    within bound: Duration = .seconds(30)
  ) throws {
    let failures = Mutex<[String]>([])
    var settings = settings()
    for (name, value) in more { settings.set(name, value) }
    let producer = try KafkaProducer(settings) { report in
      if let error = report.error { failures.withLock { $0.append("\(error)") } }
    }
    defer { producer.close() }
    for message in messages {
      try bytes(message.key) { key in
        try bytes(message.value) { value in
          let outcome = try producer.send(
            topic: other ?? topic, partition: message.partition, key: key, copying: value, headers: message.headers,
            token: 0)
          try #require(outcome == .queued)
        }
      }
    }
    #expect(producer.flush(timeout: bound))
    #expect(failures.withLock { $0 } == [])
  }

  private func bytes(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) throws -> Void) throws {
    guard let bytes else { return try body(nil) }
    // An empty array may have no address, which would be Kafka's null.
    try (bytes + [0]).withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
  }

  /// The number of messages in a topic; 0 if there is no topic.
  func messageCount(_ topic: String) throws -> Int {
    try ranges(topic).reduce(0) { $0 + Int($1.value.upperBound - $1.value.lowerBound) }
  }

  /// The range of offsets of each partition.
  func ranges(_ topic: String) throws -> [Int32: Range<Int64>] {
    let client = try reader()
    defer { client.unsubscribeAndClose() }
    let count = try client.partitionCount(of: topic, timeout: .seconds(10)) ?? 0
    var ranges: [Int32: Range<Int64>] = [:]
    for partition in 0..<Int32(count) {
      let marks = try client.watermarks(of: topic, partition: partition, timeout: .seconds(10))
      ranges[partition] = marks.low..<marks.high
    }
    return ranges
  }

  /// All messages of a topic, in order within each partition.
  func messages(_ topic: String) throws -> [TestMessage] {
    let reader = try PartitionReader(settings())
    var found: [TestMessage] = []
    for (partition, range) in try ranges(topic).sorted(by: { $0.key < $1.key }) {
      for offset in range {
        let read = try reader.read(topic: topic, partition: partition, offset: offset, timeout: .seconds(10))
        guard let message = read else { continue }
        found.append(
          TestMessage(
            key: message.key.map { Array($0) }, value: message.value.map { Array($0) },
            headers: message.headers(),
            partition: partition, offset: offset))
      }
    }
    return found
  }

  private func reader() throws -> KafkaConsumer {
    var settings = settings()
    settings.set("group.id", "test-reader")
    return try KafkaConsumer(settings, topic: topic)
  }

  /// The dead letters, in the order of their messages.
  func deadLetters() throws -> [TestMessage] {
    try messages(topic + "-dlq").sorted {
      Int64($0.header("__connect.errors.offset") ?? "") ?? -1 < Int64($1.header("__connect.errors.offset") ?? "") ?? -1
    }
  }

  /// Whether the topic of dead letters has messages.
  var hasDeadLetters: Bool { get throws { try messageCount(topic + "-dlq") > 0 } }
}
