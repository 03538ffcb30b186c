import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// Messages far larger than any of our producer's, which a topic's own `max.message.bytes` can allow. Needs a real
/// broker: the embedded one keeps 5 MiB.
///
/// The Kafka client holds a message whole, and a dead letter is a copy of it, so memory is not bounded as usual here.
/// Each broker thread keeps a buffer of that size, so the messages are small unless `make test-bounds` runs.
@Suite(.ownThread, .serialized, .enabled("no Apache Kafka is named") { Broker.realServers != nil })
struct HostileSizeTests {
  private let folder = TestFolder()

  /// Size of a value. The full size stays below the default limits of a request (100 MiB) and of an answer that the
  /// client accepts (100 MB).
  private static let size = BoundsTests.isFull ? 90_000_000 : 20_000_000
  /// On top of a side's normal memory: the message, possibly fetched twice, its decoded bytes, and the dead letter.
  private static let limit = (96 << 20) + 4 * size

  /// Sends one between two images and stores everything. Returns the consumer's output.
  private func storeBetweenOthers(_ large: TestMessage, _ broker: Broker) throws -> String {
    try broker.send(
      [.image("first.jpg", [1]), large, .image("last.jpg", [2])],
      settings: ["message.max.bytes": "\(Self.size + 1_000_000)", "queue.buffering.max.kbytes": "1000000"],
      within: .seconds(120))
    let consumer = try Program(["consumer", "--until-idle", "1"], in: folder, environment: broker.environment())
    let (code, peak) = consumer.exitCodeAndPeakMemory(within: .seconds(120))
    #expect(code == 0, "\(consumer.output)")
    print("  peak memory of a consumer with a message of \(Self.size / 1_000_000) MB: \(peak >> 20) MB")
    if !Sanitizer.isOn { #expect(peak < Self.limit, "\(peak >> 20) MB") }
    return consumer.output
  }

  private func withBroker(_ body: (Broker) throws -> Void) throws {
    let broker = try Broker(
      real: try #require(Broker.realServers), topicSettings: ["max.message.bytes": "104857600"])
    // Its messages would keep other tests' broker busy.
    defer { try? broker.removeTopics() }
    try body(broker)
  }

  @Test("an image in one message far larger than ours is stored") func oversizedMessageIsStored() throws {
    try withBroker { broker in
      // Base64 adds a third.
      let image = SeededNumbers.bytes(Self.size / 4 * 3 - 1_000, seed: 1)
      let said = try storeBetweenOthers(.image("large.tif", image), broker)
      #expect(said.log.stored == 3, "\(said)")
      try expectStored(["first.jpg": [1], "large.tif": image, "last.jpg": [2]], in: folder)
    }
  }

  @Test("an unusable message far larger than ours becomes a dead letter", arguments: ["name", "value without an end"])
  func oversizedPoisonIsDeadLetter(kind: String) throws {
    try withBroker { broker in
      let value =
        "{\"image_name\":\"" + String(repeating: "n", count: Self.size - 1_000)
        + (kind == "name" ? "\",\"image_content\":\"AAAA\"}" : "")
      let said = try storeBetweenOthers(.text(value), broker)
      #expect(said.log.summary?.number("dead_letters") == 1, "\(said)")
      #expect(said.utf8.count < 20_000, "\(said.utf8.count) bytes of log")
      try expectStored(["first.jpg": [1], "last.jpg": [2]], in: folder)
      let letters = try broker.ranges(broker.topic + "-dlq").values.map(\.count)
      #expect(letters == [1], "\(said)")
    }
  }
}
