import TestSupport

@testable import Kafka
@testable import Messaging
@testable import Platform
@testable import Wire

/// The messages of a topic, read by offset and without a group: no join is awaited, nobody is disturbed. For one thread
/// at a time.
final class TopicContent {
  /// A message with its decoded image.
  struct Message: Equatable {
    let name: String
    let partition: Int32
    let offset: Int64
    let bytes: [UInt8]
    let headers: ImageHeaders
  }

  private let topic: String
  private let settings: KafkaSettings
  private let client: KafkaProducer
  private let reader: PartitionReader
  private var next: [Int32: Int64] = [:]
  private var known: [Message] = []

  init(_ broker: Broker) throws {
    topic = broker.topic
    settings = broker.settings()
    client = try KafkaProducer(settings) { _ in }
    reader = try PartitionReader(settings)
  }

  deinit { client.close() }

  /// All messages so far, in order within each partition.
  func messages() throws -> [Message] {
    let ends = try ends()
    if ends.reduce(0, { $0 + $1.value - next[$1.key, default: 0] }) > 40 { try readAll(ends) }
    for (partition, end) in ends.sorted(by: { $0.key < $1.key }) {
      while next[partition, default: 0] < end {
        let offset = next[partition, default: 0]
        let message = try reader.read(topic: topic, partition: partition, offset: offset, timeout: .seconds(10))
        if let message { known.append(try Self.read(message)) }
        next[partition] = offset + 1
      }
    }
    return known
  }

  /// Reads everything again with a consumer. Its group costs 3 s on the embedded broker, less than many single reads.
  private func readAll(_ ends: [Int32: Int64]) throws {
    var settings = settings
    settings.set("group.id", "topic-content-\(UInt64.random(in: 0 ... .max))")
    let consumer = try KafkaConsumer(settings, topic: topic)
    defer { consumer.unsubscribeAndClose() }
    (known, next) = ([], [:])
    try consumer.subscribe()
    let isRead = eventually(within: .seconds(60)) {
      for case .message(let message) in consumer.poll(maximum: 1_000, timeout: .milliseconds(100)) {
        known.append(try Self.read(message))
        next[message.partition] = message.offset + 1
      }
      return ends.allSatisfy { next[$0.key, default: 0] >= $0.value }
    }
    guard isRead else { throw Unreadable() }
  }

  /// The sorted names; a name that was sent twice occurs twice.
  func names() throws -> [String] { try messages().map(\.name).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }

  /// The versions of one image in the topic's order. Names are compared by their bytes.
  func versions(of name: String) throws -> [[UInt8]] {
    try messages().filter { $0.name.utf8.elementsEqual(name.utf8) }.map(\.bytes)
  }

  /// The number of messages that each partition ever had, including those that the embedded broker has forgotten.
  func ends() throws -> [Int32: Int64] {
    var ends: [Int32: Int64] = [:]
    for partition in 0..<Int32(try client.partitionCount(of: topic, timeout: .seconds(10)) ?? 0) {
      ends[partition] = try client.watermarks(of: topic, partition: partition, timeout: .seconds(10)).high
    }
    return ends
  }

  private static func read(_ message: KafkaMessage) throws -> Message {
    guard let value = message.value else { throw Unreadable() }
    let content = try EnvelopeReader.read(value)
    var bytes = [UInt8](repeating: 0, count: Base64.decodedCapacity(content.base64.count))
    let count = bytes.withUnsafeMutableBytes { target -> Int? in
      // An empty array has no address.
      guard let start = target.baseAddress else { return 0 }
      return Base64.decode(content.base64, to: start)
    }
    guard let count, message.key?.elementsEqual(content.name.utf8) == true else { throw Unreadable() }
    return Message(
      name: content.name, partition: message.partition, offset: message.offset, bytes: Array(bytes.prefix(count)),
      headers: try ImageHeaders { message.header($0) })
  }

  private struct Unreadable: Error {}
}
