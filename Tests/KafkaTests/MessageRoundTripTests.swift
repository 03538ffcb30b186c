import TestSupport
import Testing

@testable import Kafka
@testable import Messaging

/// Messages come out as they went in: bytes, nulls, headers, times.
@Suite(.ownThread) struct MessageRoundTripTests {
  @Test("values, keys and headers arrive byte for byte") func messagesArriveExactly() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let producer = try KafkaProducer(settings(cluster)) { reports.put($0) }
    let image = SeededNumbers.bytes(900_000, seed: 1)
    let headers = [
      MessageHeader(name: "hash", value: [0, 1, 255]), MessageHeader(name: "empty", value: []),
      MessageHeader(name: "twice", value: [1]), MessageHeader(name: "twice", value: [2]),
      MessageHeader(name: "null", nullableValue: nil), MessageHeader(name: "größe", value: Array("9 µm".utf8)),
      MessageHeader(nameBytes: [0xFF, 0x67, 0xC3], nullableValue: [4]),
    ]
    let key = Array("cat/001.jpg".utf8)

    let large = PayloadBuffer(capacity: image.count + 100)
    large.bytes.copyBytes(from: image)
    large.count = image.count
    let sent = try key.withUnsafeBytes {
      try producer.send(
        topic: "images", partition: 0, key: $0, payload: large, headers: headers, timestamp: 1_700_000_000_123, token: 1
      )
    }
    #expect(sent == .queued && large.isHandedOver && large.bytes.isEmpty)
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    let empty = PayloadBuffer(capacity: 0)
    _ = try producer.send(topic: "images", partition: 0, key: nothing, payload: empty, headers: [], token: 2)
    _ = try producer.send(topic: "images", partition: 0, key: nil, copying: nil, headers: [], token: 3)
    _ = try producer.send(topic: "images", partition: 0, key: nothing, copying: nothing, headers: [], token: 4)
    #expect(producer.flush(timeout: patience))
    #expect(reports.all(atLeast: 4).map(\.token) == [1, 2, 3, 4])

    let reader = try PartitionReader(settings(cluster))
    func read(_ offset: Int64) throws -> KafkaMessage {
      try #require(
        try reader.read(topic: "images", partition: 0, offset: offset, timeout: patience))
    }
    let first = try read(0)
    #expect(first.value.map(Array.init) == image)
    #expect(first.key.map(Array.init) == key)
    #expect(first.timestamp == 1_700_000_000_123)
    #expect(first.topic == "images" && first.partition == 0 && first.offset == 0)
    #expect(first.headers() == headers)
    #expect(first.header("twice").map(Array.init) == [2])
    #expect(first.header("null").map(Array.init) == [])
    #expect(first.header("absent") == nil)
    let headerBytes = headers.reduce(0) { $0 + $1.nameBytes.count + $1.value.count }
    #expect(first.size == key.count + image.count + headerBytes)

    for offset in [Int64(1), 3] {
      let message = try read(offset)
      #expect(message.key?.count == 0 && message.value?.count == 0, "empty, not null, at \(offset)")
      #expect(message.headers().isEmpty && message.size == 0)
    }
    let null = try read(2)
    #expect(null.key == nil && null.value == nil)

    #expect(!first.isReleased)
    for _ in 1...2 { first.releaseContent() }
    #expect(first.isReleased && first.key.map(Array.init) == key)
    #expect(first.topic == "images" && first.offset == 0 && first.timestamp == 1_700_000_000_123)
    #expect(first.size == key.count + image.count + headerBytes)
    null.releaseContent()
    #expect(null.key == nil, "null, not empty")
    producer.close()
  }

  @Test("a message outlives its consumer") func messageOutlivesItsConsumer() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    try fill(cluster, "images", ["a", "b"])
    let consumer = try joined(groupSettings(cluster, group: "g"), "images")
    var seen = Seen()
    seen.poll(consumer) { $0.messages.count == 2 }
    consumer.unsubscribeAndClose()
    #expect(seen.texts == ["a", "b"])
  }
}
