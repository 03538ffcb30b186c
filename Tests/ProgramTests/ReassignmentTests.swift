import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import SQLite

@Suite(.ownThread) struct ReassignmentTests {
  private let folder = TestFolder()

  // MARK: The topic changes

  @Test("a re-created topic is read from its beginning", arguments: [3, 4, 5, 9])
  func recreatedTopicIsReadFromStart(count: Int) throws {
    var images: [String: [UInt8]] = [:]
    var said: [[LogEntry]] = []
    for (generation, number) in [5, count].enumerated() {
      let broker = try Broker()
      let new = (0..<number).map {
        ("\(generation)/\($0).jpg", SeededNumbers.bytes(400, seed: UInt64(generation * 100 + $0)))
      }
      try broker.send(new.map { .image($0.0, $0.1) })
      images.merge(new) { $1 }
      said.append(try LocalConsumer.storeAll(in: folder, broker))
    }
    #expect(!said[0].hasEvent("topic_recreated"), "\(said[0])")
    #expect(said[1].events("topic_recreated").count == 1, "\(said[1])")
    try expectStored(images, in: folder)
  }

  @Test("a topic that is read again is not taken for a new one") func rereadTopicIsTheSame() throws {
    let broker = try Broker()
    let images = sampleImages(5)
    try broker.send(images.map { .image($0.key, $0.value) })
    for _ in 1...2 {
      #expect(try !LocalConsumer.storeAll(in: folder, broker).hasEvent("topic_recreated"))
    }
    try expectStored(images, in: folder)
  }

  @Test("messages that the topic lost before they were stored are reported; the others are stored")
  func lostMessagesAreReported() throws {
    // Only the embedded broker loses messages by itself: those beyond 5 MiB.
    let broker = try Broker()
    try broker.send((0..<3).map { .image("first/\($0).jpg", [UInt8($0)]) })
    _ = try Program.storeAll(in: folder, broker)
    let images = (0..<90).map { ("\($0).jpg", SeededNumbers.bytes(60_000, seed: UInt64($0))) }
    for (name, bytes) in images { try broker.send([.image(name, bytes)]) }
    let low = Int(try broker.ranges(broker.topic)[0]!.lowerBound)
    try #require(low > 3 && low < 93)
    let output = try Program.storeAll(in: folder, broker).output
    #expect(output.log.hasEvent("messages_lost", ["messages": "\(low - 3)"]), "\(output)")
    var expected = Dictionary(uniqueKeysWithValues: images.dropFirst(low - 3))
    for number in 0..<3 { expected["first/\(number).jpg"] = [UInt8(number)] }
    try expectStored(expected, in: folder)
  }

  // MARK: The output changes

  @Test("a deleted output is stored again, whatever the group has committed") func deletedOutputIsStoredAgain() throws {
    let broker = try Broker.preferred()
    let images = sampleImages(40)
    try broker.send(images.map { .image($0.key, $0.value) })
    for _ in 1...2 {
      #expect(try Program.storeAll(in: folder, broker).stored == 40)
      try expectStored(images, in: folder)
      try folder.remove(TestFolder.output)
      try folder.remove(TestFolder.csv)
    }
  }

  @Test("a repeated image is stored only if it is missing or different") func repeatedImageIsStoredIfMissing() throws {
    let broker = try Broker.preferred()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    var rows = 0
    func send(_ name: String, _ bytes: [UInt8], isNew: Bool) throws {
      try broker.send([.image(name, bytes)])
      // A second image shows that the first has been handled.
      rows += isNew ? 2 : 1
      try broker.send([.image("done/\(rows).jpg", [UInt8(rows)])])
      #expect(eventually { folder.rowNames.last == "done/\(rows).jpg" }, "\(name): \(consumer.output)")
      #expect(folder.rows.count == rows, "\(folder.rowNames)")
      #expect(folder.bytes(TestFolder.output + "/" + name) == bytes)
    }
    let (first, second) = (SeededNumbers.bytes(500, seed: 1), SeededNumbers.bytes(700, seed: 2))
    try send("a.jpg", first, isNew: true)
    try send("a.jpg", first, isNew: false)
    try send("a.jpg", second, isNew: true)
    try send("a.jpg", second, isNew: false)
    try send("a.jpg", first, isNew: true)
    // Deleted, altered with the same length, and truncated by hand: restored without a new row.
    try folder.remove(TestFolder.output + "/a.jpg")
    try send("a.jpg", first, isNew: false)
    try folder.write(TestFolder.output + "/a.jpg", SeededNumbers.bytes(500, seed: 3))
    try send("a.jpg", first, isNew: false)
    try folder.write(TestFolder.output + "/a.jpg", [1, 2, 3])
    try send("a.jpg", first, isNew: false)
    // Restored by hand: another file with the same bytes.
    try folder.remove(TestFolder.output + "/a.jpg")
    try folder.write(TestFolder.output + "/a.jpg", first)
    try send("a.jpg", first, isNew: false)
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    #expect(try folder.leftovers() == [])
  }

  @Test("an assignment that changes while a batch waits for the lock leaves no partition paused")
  func changedAssignmentLeavesNoPause() throws {
    let broker = try Broker(partitions: 2)
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    let assignments = { consumer.events("partitions_assigned").count }
    #expect(eventually { assignments() == 1 }, "\(consumer.output)")
    let path = folder.path + "/processed_images/.image-pipeline/catalog.sqlite"
    let catalog = try Database(path: path, busyTimeout: .seconds(1))
    #expect(try catalog.tryBegin())
    let images = (0..<20).map { ("\($0).jpg", [UInt8($0)]) }
    try broker.send(images.map { TestMessage.image($0.0, $0.1) })
    // A client joins the group and leaves it.
    var settings = broker.settings()
    settings.set("group.id", broker.group)
    let other = try KafkaConsumer(settings, topic: broker.topic)
    try other.subscribe()
    // On a loaded machine the group may need several rounds.
    let isDivided = eventually {
      _ = other.poll(maximum: 1, timeout: .milliseconds(10))
      return other.assignment.count == 1 && assignments() > 1
    }
    #expect(isDivided, "\(consumer.output)")
    other.unsubscribeAndClose()
    let isWhole = eventually {
      let last = consumer.events("partitions_assigned").last
      return last?.fields["partitions"] == "0,1" && assignments() > 2
    }
    #expect(isWhole, "\(consumer.output)")
    catalog.rollback()
    #expect(eventually { folder.rows.count == images.count }, "\(consumer.output)")
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    try expectStored(Dictionary(uniqueKeysWithValues: images), in: folder)
  }

  // MARK: Runs that end

  @Test("--count stores exactly that many images") func countIsExact() throws {
    let broker = try Broker.preferred(partitions: 3)
    let images = sampleImages(60)
    try broker.send(images.map { .image($0.key, $0.value) })
    let first = try Program(["consumer", "--count", "17"], in: folder, environment: broker.environment())
    #expect(first.exitCode() == 0, "\(first.output)")
    #expect(try folder.files(TestFolder.output).count == 17)
    #expect(folder.rows.count == 17)
    let second = try Program(["consumer", "--count", "43"], in: folder, environment: broker.environment())
    #expect(second.exitCode() == 0, "\(second.output)")
    try expectStored(images, in: folder)
  }

  @Test("--until-idle ends each of several consumers", arguments: [1, 4])
  func untilIdleEndsAllConsumers(partitions: Int) throws {
    let broker = try Broker.preferred(partitions: partitions)
    let images = sampleImages(200)
    try broker.send(images.map { .image($0.key, $0.value) })
    let consumers = try (0..<3).map { _ in
      try Program(["consumer", "--until-idle", "0.5"], in: folder, environment: broker.environment())
    }
    for consumer in consumers { #expect(consumer.exitCode() == 0, "\(consumer.output)") }
    try expectStored(images, in: folder)
  }
}
