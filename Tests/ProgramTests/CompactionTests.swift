import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// A compacted topic keeps the last message of each key, and all segments of an image have the same key. Needs a real
/// broker: the embedded one does not compact.
@Suite(.ownThread, .enabled("no Apache Kafka is named") { Broker.realServers != nil }) struct CompactionTests {
  private let folder = TestFolder()
  private let broker: Broker

  init() throws {
    broker = try Broker.preferred()
    try folder.makeFolder("images")
  }

  private func makeTopic(policy: String) throws {
    var settings = broker.settings()
    settings.set("allow.auto.create.topics", "false")
    let client = try KafkaProducer(settings) { _ in }
    defer { client.close() }
    #expect(try client.deleteTopic(broker.topic, timeout: .seconds(30)))
    let topic = [
      "cleanup.policy": policy, "segment.bytes": "1048576", "segment.ms": "100",
      "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "100",
    ]
    #expect(
      try client.createTopic(broker.topic, partitions: 1, settings: topic, timeout: .seconds(30)))
  }

  private func run(_ arguments: [String], _ more: [String: String] = [:]) throws -> String {
    let program = try Program(arguments, in: folder, environment: broker.environment(more))
    #expect(program.exitCode() == 0, "\(program.output)")
    return program.output
  }

  @Test("a producer warns about segments in a compacted topic, and the consumer reports their loss")
  func compactionOfSegmentsIsReported() throws {
    try makeTopic(policy: "compact")
    try folder.write("images/large.png", SeededNumbers.bytes(4_000, seed: 1))
    let sent = try run(["producer", "--once"], ["SEGMENT_BYTES": "1000"])
    #expect(sent.log.hasEvent("topic_compacted", naming: "cleanup.policy=delete"), "the fix: \(sent)")
    var next = 0
    let isCompacted = eventually(within: .seconds(120)) {
      // Only closed log segments are compacted, and the next message closes one.
      next += 1
      try broker.send([.image("filler.jpg", [UInt8(next % 256)])])
      pause(.milliseconds(200))
      return try broker.messages(broker.topic).filter { $0.offset < 4 }.map(\.offset) == [3]
    }
    #expect(isCompacted)
    let stored = try Program(
      ["consumer", "--until-idle", "0.3"], in: folder, environment: broker.environment(["SEGMENT_TIMEOUT": "1"]))
    #expect(stored.exitCode() == 0, "\(stored.output)")
    #expect(stored.hasEvent("topic_compacted"), "\(stored.output)")
    let letters = try broker.deadLetters()
    #expect(letters.map { $0.header("__connect.errors.exception.class.name") } == ["SegmentTimeout"])
    #expect(letters.first?.header("__connect.errors.offset") == "3")
    let segments = ["image": "large.png", "received": "1", "expected": "4"]
    #expect(stored.hasEvent("image_incomplete", segments), "\(stored.output)")
    #expect(stored.hasEvent("message_dead_lettered", ["offset": "3"]), "\(stored.output)")
    #expect(try folder.files(TestFolder.output) == ["filler.jpg"])
  }

  @Test("a topic with cleanup.policy=delete causes no warning") func deletingTopicCausesNoWarning() throws {
    try makeTopic(policy: "delete")
    try folder.write("images/a.jpg", [1])
    #expect(try !run(["producer", "--once"]).log.hasEvent("topic_compacted"))
    #expect(try !run(["consumer", "--until-idle", "0.3"]).log.hasEvent("topic_compacted"))
  }
}
