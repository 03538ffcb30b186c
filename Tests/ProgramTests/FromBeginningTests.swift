import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite

/// A topic that is read again into its output, and committed offsets that a tool resets for that.
@Suite(.ownThread) struct FromBeginningTests {
  private let folder = TestFolder()
  private static let catalog = TestFolder.output + "/.image-pipeline/catalog.sqlite"

  private let versions = (0..<6).map { SeededNumbers.bytes(2_500 + $0, seed: UInt64($0)) }

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
    #expect(try folder.files(TestFolder.output) == images.keys.sorted(), sourceLocation: sourceLocation)
    expectBytes(images, in: folder, TestFolder.output, sourceLocation: sourceLocation)
    #expect(folder.rowNames == rows, sourceLocation: sourceLocation)
  }

  @Test("a topic that is read again changes no image, adds no row, and restores missing images")
  func rereadRestoresOnlyMissing() throws {
    let broker = try Broker.preferred()
    try broker.send(history)
    _ = try Program.storeAll(in: folder, broker)
    try expect(images, rows)
    let csv = folder.text(TestFolder.csv)
    try folder.remove(TestFolder.output + "/keep.jpg")
    let output = try readAgain(broker)
    #expect(output.log.hasEvent("reading_from_beginning"), "\(output)")
    let counts = ["images": "1", "older_versions": "5", "replaced": "0"]
    #expect(output.log.hasEvent("consumer_finished", counts), "\(output)")
    try expect(images, rows)
    #expect(folder.text(TestFolder.csv) == csv)
    // Later messages are stored as usual, another old version included.
    try broker.send([.image("a.jpg", versions[0]), .image("d.jpg", versions[3])])
    #expect(try Program.storeAll(in: folder, broker).stored == 2)
    let later = images.merging(["a.jpg": versions[0], "d.jpg": versions[3]]) { $1 }
    try expect(later, rows + ["a.jpg", "d.jpg"])
    _ = try readAgain(broker)
    try expect(later, rows + ["a.jpg", "d.jpg"])
  }

  @Test(
    "a reread that is killed is completed by the next consumer",
    arguments: [FaultPoint.lockTaken, .segmentRecorded, .positionsRecorded, .transactionCommitted], [false, true])
  func rereadSurvivesKills(point: FaultPoint, beginsAgain: Bool) throws {
    let broker = try Broker.preferred()
    try broker.send(history)
    _ = try Program.storeAll(in: folder, broker)
    try folder.remove(TestFolder.output + "/keep.jpg")
    try broker.send([.image("e.jpg", versions[0]), .image("b.png", versions[5])])
    for visit in [1, 3] {
      _ = try readAgain(
        broker, ["FAULT_POINT": "\(point.rawValue):\(visit)", "BATCH_IMAGES": "2"], code: 128 + SIGKILL)
    }
    if beginsAgain { _ = try readAgain(broker) } else { _ = try Program.storeAll(in: folder, broker) }
    try expect(images.merging(["e.jpg": versions[0], "b.png": versions[5]]) { $1 }, rows + ["e.jpg", "b.png"])
    let output = try Program.storeAll(in: folder, broker).output
    #expect(output.log.stored == 0, "\(output)")
  }

  @Test("with SAME_NAME=keep-both a replaced version returns under a name of its own")
  func replacedVersionReturns() throws {
    let broker = try Broker.preferred()
    try broker.send([.image("a.jpg", versions[0]), .image("a.jpg", versions[1])])
    _ = try Program.storeAll(in: folder, broker)
    let output = try readAgain(broker, ["SAME_NAME": "keep-both", "LOG_LEVEL": "debug"])
    #expect(output.log.hasEvent("consumer_finished", ["kept_both": "1"]), "\(output)")
    let hex = versions[0].withUnsafeBytes { SHA256.hash($0) }.hex
    let name = "a~\(hex.prefix(8)).jpg"
    for event in ["image_kept_both", "image_kept_both_each"] {
      #expect(output.log.events(event, ["image": "a.jpg", "name": name]).count == 1, "\(event) in \(output)")
    }
    try expect(["a.jpg": versions[1], name: versions[0]], ["a.jpg", "a.jpg", name])
    _ = try readAgain(broker, ["SAME_NAME": "keep-both"])
    try expect(["a.jpg": versions[1], name: versions[0]], ["a.jpg", "a.jpg", name])
  }

  @Test("nothing is read again while another consumer uses the output")
  func rereadNeedsExclusiveOutput() throws {
    let broker = try Broker.preferred(partitions: 2)
    try broker.send(history)
    let other = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { folder.rows.count == rows.count }, "\(other.output)")
    let output = try readAgain(broker, code: 1)
    #expect(
      output.log.hasEvent("program_failed", ["error": "ImageStore.OthersAtWork"], naming: "--from-beginning"),
      "\(output)")
    #expect(other.terminate() == 0)
    #expect(folder.rows.count == rows.count)
  }

  @Test("a topic that is re-created before the reread counts as new")
  func recreatedTopicIsNotReread() throws {
    let first = try Broker()
    try first.send([.image("x.jpg", [1]), .image("a.jpg", versions[0]), .image("a.jpg", versions[1])])
    try LocalConsumer.storeAll(in: folder, first)
    // A consumer that was killed right after it recognized the topic.
    let database = try Database(path: folder.path + "/" + Self.catalog, busyTimeout: .seconds(1))
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
    // Brokers refuse a reset while the group has members, and a consumer's membership outlives it for a while.
    let isReset = eventually {
      try tool.commitAndWait(offsets, timeout: .seconds(30))
      return true
    }
    #expect(isReset)
  }

  private func ignored(_ consumer: Program) -> [LogEntry] { consumer.events("offsets_ignored") }

  @Test("offsets that a tool has reset are reported once; the consumer's own commits are not")
  func resetOffsetsAreReportedOnce() throws {
    let broker = try Broker.preferred()
    try broker.send(history)
    #expect(try ignored(Program.storeAll(in: folder, broker)) == [])
    #expect(try ignored(Program.storeAll(in: folder, broker)) == [])
    // The embedded broker keeps a consumer's membership for ever and refuses commits by others.
    let group = broker.cluster == nil ? broker.group : "another"
    try reset(broker, group, to: [0: 2])
    let said = try ignored(Program.storeAll(in: folder, broker, ["CONSUMER_GROUP": group]))
    #expect(said.count == 1 && said[0].fields == ["committed": "0:2", "used": "0:\(history.count)"], "\(said)")
    #expect(said.first?.message.contains("consumer --from-beginning") == true, "\(said)")
    #expect(try ignored(Program.storeAll(in: folder, broker, ["CONSUMER_GROUP": group])) == [])
    try expect(images, rows)
  }

  @Test("another client's offsets are reported for a new output and skip nothing")
  func foreignOffsetsSkipNothing() throws {
    let broker = try Broker.preferred()
    try broker.send(history)
    try reset(broker, broker.group, to: [0: 5])
    let said = try ignored(Program.storeAll(in: folder, broker))
    #expect(said.count == 1 && said[0].fields == ["committed": "0:5", "used": "0:beginning"], "\(said)")
    try expect(images, rows)
  }

  @Test("a commit that a crash left behind the stored position is no reset")
  func lateCommitIsNoReset() throws {
    let broker = try Broker()
    try broker.send(history)
    let victim = try Program(
      ["consumer"], in: folder,
      environment: broker.environment(["BATCH_IMAGES": "2", "FAULT_POINT": "transactionCommitted:4"]))
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    #expect(try ignored(Program.storeAll(in: folder, broker)) == [])
  }
}
