import Testing

@testable import Kafka
@testable import Platform

/// Messages far larger than any of our producer's: a topic's own `max.message.bytes` lets them in where the broker has its
/// defaults. For a real broker alone: the embedded one keeps 5 MiB.
///
/// The Kafka client holds a message whole, and a letter is a copy of it: what bounds memory otherwise cannot do so here.
/// A broker's threads keep a buffer of that size each, so that other tests beside them need them to be small: they are as
/// large as they can be in `make test-bounds`.
@Suite(.ownThread, .serialized, .enabled("no Apache Kafka is named") { Broker.realServers != nil })
struct HostileSizeTests {
  private let folder = Scratch()

  /// Of a value, in bytes. In full not much less than a request may have by default, which is 100 MiB, and than an answer
  /// that the client takes, which is 100 MB.
  private static let size = BoundsTests.isFull ? 90_000_000 : 20_000_000
  /// Beside what a side may take anyhow: the message, which may be fetched twice where a letter is waited for, what it is
  /// decoded to, and the letter.
  private static let limit = (96 << 20) + 4 * size

  /// Sends one between two images and has all of it stored. Returns what the consumer said.
  private func storeBetweenOthers(_ large: TestMessage, _ broker: Broker) throws -> String {
    try broker.send(
      [.image("first.jpg", [1]), large, .image("last.jpg", [2])],
      settings: ["message.max.bytes": "\(Self.size + 1_000_000)", "queue.buffering.max.kbytes": "1000000"],
      withinSeconds: 120)
    let consumer = try Program(["consumer", "--until-idle", "1"], in: folder, environment: broker.environment())
    let (code, peak) = consumer.exitCodeAndPeakMemory(withinSeconds: 120)
    #expect(code == 0, "\(consumer.output)")
    print("  peak memory of a consumer with a message of \(Self.size / 1_000_000) MB: \(peak >> 20) MB")
    if !Sanitizer.isOn { #expect(peak < Self.limit, "\(peak >> 20) MB") }
    return consumer.output
  }

  private func withBroker(_ body: (Broker) throws -> Void) throws {
    let broker = try Broker(
      real: try #require(Broker.realServers), topicSettings: ["max.message.bytes": "104857600"])
    // What it holds would keep other tests' broker busy.
    defer { try? broker.removeTopics() }
    try body(broker)
  }

  @Test func anImageInOneMessageFarLargerThanOursIsStored() throws {
    try withBroker { broker in
      // As Base64 it has a third more.
      let image = Scratch.bytes(Self.size / 4 * 3 - 1_000, seed: 1)
      let said = try storeBetweenOthers(.image("large.tif", image), broker)
      #expect(said.contains("stored 3 images"), "\(said)")
      try expectStored(["first.jpg": [1], "large.tif": image, "last.jpg": [2]], in: folder)
    }
  }

  @Test(arguments: ["name", "value without an end"])
  func aMessageFarLargerThanOursThatIsNoImageIsALetterAndHoldsNothingUp(kind: String) throws {
    try withBroker { broker in
      let value =
        "{\"image_name\":\"" + String(repeating: "n", count: Self.size - 1_000)
        + (kind == "name" ? "\",\"image_content\":\"AAAA\"}" : "")
      let said = try storeBetweenOthers(.text(value), broker)
      #expect(said.contains("; 1 message went to the dead letters"), "\(said)")
      #expect(said.utf8.count < 20_000, "\(said.utf8.count) bytes of log")
      try expectStored(["first.jpg": [1], "last.jpg": [2]], in: folder)
      let letters = try broker.ranges(broker.topic + "-dlq").values.map(\.count)
      #expect(letters == [1], "\(said)")
    }
  }
}
