import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite

/// A topic that is read again into the output that it was stored in, and offsets that somebody resets for that.
@Suite(.ownThread) struct FromBeginningTests {
  private let folder = Scratch()
  private static let catalog = Scratch.output + "/.image-pipeline/catalog.sqlite"

  private let versions = (0..<6).map { Scratch.bytes(2_500 + $0, seed: UInt64($0)) }

  private func segments(_ name: String, _ version: Int) -> [TestMessage] {
    TestMessage.segments(name, versions[version], size: 1_000)
  }

  /// Versions of images, whole and in segments, some of which arrive twice.
  private var history: [TestMessage] {
    [.image("a.jpg", versions[0]), .image("keep.jpg", versions[5])] + segments("b.png", 0)
      + [.image("a.jpg", versions[1]), .image("a.jpg", versions[1])] + segments("b.png", 2) + segments("c.png", 3)
      + [.image("a.jpg", versions[4]), .text("no image"), .image("c.png", versions[1])]
  }

  private var images: [String: [UInt8]] {
    ["a.jpg": versions[4], "keep.jpg": versions[5], "b.png": versions[2], "c.png": versions[1]]
  }

  private let rows = ["a.jpg", "keep.jpg", "b.png", "a.jpg", "b.png", "c.png", "a.jpg", "c.png"]

  private func readAgain(
    _ broker: Broker, _ more: [String: String] = [:], code: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let consumer = try Program(
      ["consumer", "--from-beginning", "--until-idle", "0.3"], in: folder, environment: broker.environment(more))
    #expect(consumer.exitCode() == code, "\(consumer.output)", sourceLocation: sourceLocation)
    return consumer.output
  }

  private func expect(
    _ images: [String: [UInt8]], _ rows: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(try folder.files(Scratch.output) == images.keys.sorted(), sourceLocation: sourceLocation)
    expectBytes(images, in: folder, Scratch.output, sourceLocation: sourceLocation)
    #expect(folder.rowNames == rows, sourceLocation: sourceLocation)
  }

  @Test("a topic that is read again changes no image, adds no row, and restores what is missing")
  func nothingChangesButWhatIsMissing() throws {
    let broker = try Broker.preferred()
    try broker.send(history)
    _ = try Program.storeAll(in: folder, broker)
    try expect(images, rows)
    let csv = folder.text(Scratch.csv)
    try folder.remove(Scratch.output + "/keep.jpg")
    let output = try readAgain(broker)
    #expect(output.contains("event=reading_from_beginning"), "\(output)")
    #expect(output.contains("older_versions=5 "), "\(output)")
    #expect(output.contains("images=1 ") && output.contains("replaced=0 "), "\(output)")
    try expect(images, rows)
    #expect(folder.text(Scratch.csv) == csv)
    // What comes later is stored as ever, another old version included.
    try broker.send([.image("a.jpg", versions[0]), .image("d.jpg", versions[3])])
    #expect(try Program.storeAll(in: folder, broker).contains("images=2 "))
    let later = images.merging(["a.jpg": versions[0], "d.jpg": versions[3]]) { $1 }
    try expect(later, rows + ["a.jpg", "d.jpg"])
    _ = try readAgain(broker)
    try expect(later, rows + ["a.jpg", "d.jpg"])
  }

  @Test(
    "killed in the midst of it, the topic is read to its end by the next consumer, whether that begins again or goes on",
    arguments: [FaultPoint.lockTaken, .segmentRecorded, .positionsRecorded, .transactionCommitted], [false, true])
  func crashes(point: FaultPoint, beginsAgain: Bool) throws {
    let broker = try Broker.preferred()
    try broker.send(history)
    _ = try Program.storeAll(in: folder, broker)
    try folder.remove(Scratch.output + "/keep.jpg")
    try broker.send([.image("e.jpg", versions[0]), .image("b.png", versions[5])])
    for visit in [1, 3] {
      _ = try readAgain(
        broker, ["FAULT_POINT": "\(point.rawValue):\(visit)", "BATCH_IMAGES": "2"], code: 128 + SIGKILL)
    }
    if beginsAgain { _ = try readAgain(broker) } else { _ = try Program.storeAll(in: folder, broker) }
    try expect(images.merging(["e.jpg": versions[0], "b.png": versions[5]]) { $1 }, rows + ["e.jpg", "b.png"])
    let output = try Program.storeAll(in: folder, broker)
    #expect(output.contains("images=0 "), "\(output)")
  }

  @Test("with keep-both, a version that was replaced before comes back under a name of its own")
  func replacedImagesComeBack() throws {
    let broker = try Broker.preferred()
    try broker.send([.image("a.jpg", versions[0]), .image("a.jpg", versions[1])])
    _ = try Program.storeAll(in: folder, broker)
    let output = try readAgain(broker, ["SAME_NAME": "keep-both"])
    #expect(output.contains("kept_both=1 "), "\(output)")
    let hex = versions[0].withUnsafeBytes { SHA256.hash($0) }.hex
    let name = "a~\(hex.prefix(8)).jpg"
    try expect(["a.jpg": versions[1], name: versions[0]], ["a.jpg", "a.jpg", name])
    _ = try readAgain(broker, ["SAME_NAME": "keep-both"])
    try expect(["a.jpg": versions[1], name: versions[0]], ["a.jpg", "a.jpg", name])
  }

  @Test("beside another consumer of the output nothing is read again")
  func othersAreLeftAlone() throws {
    let broker = try Broker.preferred(partitions: 2)
    try broker.send(history)
    let other = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { folder.rows.count == rows.count }, "\(other.output)")
    let output = try readAgain(broker, code: 1)
    #expect(output.contains("--from-beginning"), "\(output)")
    #expect(other.terminate() == 0)
    #expect(folder.rows.count == rows.count)
  }

  @Test("a topic that is re-created before it was read again is another one, whose messages are all new")
  func anotherTopicIsNotTakenForTheOldOne() throws {
    let first = try Broker()
    try first.send([.image("x.jpg", [1]), .image("a.jpg", versions[0]), .image("a.jpg", versions[1])])
    try LocalConsumer.storeAll(in: folder, first)
    // A consumer that was killed as soon as it had begun to read it again, and had recognised it.
    let database = try Database(path: folder.path + "/" + Self.catalog, busyTimeoutMilliseconds: 1_000)
    try database.execute(
      """
      INSERT INTO past_partitions
      SELECT topics.topic, partition, last_offset, last_time, last_key, NULL, topics.id, positions.generation
      FROM positions JOIN topics ON topics.id = positions.topic;
      INSERT INTO past_images VALUES ('a.jpg', 'images', 0, 2);
      DELETE FROM positions
      """)
    database.close()
    let second = try Broker()
    try second.send([.image("a.jpg", versions[2])])
    try LocalConsumer.storeAll(in: folder, second)
    try expect(["x.jpg": [1], "a.jpg": versions[2]], ["x.jpg", "a.jpg", "a.jpg", "a.jpg"])
  }

  // MARK: The group's offsets

  private func reset(_ broker: Broker, _ group: String, to offsets: [Int32: Int64]) throws {
    var settings = broker.settings()
    settings.set("group.id", group)
    let tool = try KafkaConsumer(settings, topic: broker.topic)
    defer { tool.unsubscribeAndClose() }
    // Refused as long as the group has members, as a tool would be: a consumer's membership outlives it for a while.
    let isReset = eventually {
      try tool.commitAndWait(offsets, timeoutMilliseconds: 30_000)
      return true
    }
    #expect(isReset)
  }

  private func lines(_ output: String) -> [Substring] {
    output.split(separator: "\n").filter { $0.contains("event=offsets_ignored") }
  }

  @Test("offsets that a tool has reset are named once, with those that are used, and the consumer's own commits never")
  func resetOffsetsAreNamed() throws {
    let broker = try Broker.preferred()
    try broker.send(history)
    #expect(try lines(Program.storeAll(in: folder, broker)) == [])
    #expect(try lines(Program.storeAll(in: folder, broker)) == [])
    // The embedded broker keeps a consumer's membership for ever, and refuses others' commits as long.
    let group = broker.cluster == nil ? broker.group : "another"
    try reset(broker, group, to: [0: 2])
    let said = try lines(Program.storeAll(in: folder, broker, ["CONSUMER_GROUP": group]))
    #expect(said.count == 1 && said[0].contains("committed=0:2 used=0:\(history.count)"), "\(said)")
    #expect(said.first?.contains("consumer --from-beginning") == true, "\(said)")
    #expect(try lines(Program.storeAll(in: folder, broker, ["CONSUMER_GROUP": group])) == [])
    try expect(images, rows)
  }

  @Test("offsets of another client are named for an output that is new, and skip nothing")
  func offsetsOfAnotherClientSkipNothing() throws {
    let broker = try Broker.preferred()
    try broker.send(history)
    try reset(broker, broker.group, to: [0: 5])
    let said = try lines(Program.storeAll(in: folder, broker))
    #expect(said.count == 1 && said[0].contains("committed=0:5 used=0:beginning"), "\(said)")
    try expect(images, rows)
  }

  @Test("a commit that a crash has left behind what is stored is not taken for a reset")
  func aCommitThatIsBehindIsOurs() throws {
    let broker = try Broker()
    try broker.send(history)
    let victim = try Program(
      ["consumer"], in: folder,
      environment: broker.environment(["BATCH_IMAGES": "2", "FAULT_POINT": "transactionCommitted:4"]))
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    #expect(try lines(Program.storeAll(in: folder, broker)) == [])
  }
}
