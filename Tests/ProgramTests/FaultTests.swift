import Glibc
import TestSupport
import Testing

@testable import Platform
@testable import SQLite

/// Faults around the programs: folders that cannot be used and brokers that go down.
@Suite(.ownThread) struct FaultTests {
  private let folder = TestFolder()

  // MARK: Rights

  @Test("a consumer waits for an output that has become read-only") func readOnlyOutputIsAwaited() throws {
    let broker = try Broker.preferred()
    let images = sampleImages(8)
    let consumer = try Program.unprivileged(
      ["consumer"], in: folder, environment: broker.environment(Broker.shortPollInterval))
    try broker.send([.image("first.jpg", [1])])
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    for part in ["", "/.image-pipeline/consumer-1/incoming"] {
      #expect(chmod(folder.path + "/" + TestFolder.output + part, 0o555) == 0)
    }
    try broker.send(images.map { .image($0.key, $0.value) })
    let isReported = eventually { consumer.hasEvent("batch_failed", ["error": "EACCES"], naming: " write access") }
    #expect(isReported, "\(consumer.output)")
    expectKeptWaiting(consumer) { folder.rows.count == 1 }
    for part in ["", "/.image-pipeline/consumer-1/incoming"] {
      #expect(chmod(folder.path + "/" + TestFolder.output + part, 0o755) == 0)
    }
    #expect(eventually { folder.rows.count == 9 }, "\(consumer.output)")
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    #expect(!consumer.wasExpelled, "\(consumer.output)")
    try expectStored(images.merging(["first.jpg": [1]]) { $1 }, in: folder)
  }

  @Test("an unreadable input is reported with its fix, and the other files are sent") func unreadableInputIsReported()
    throws
  {
    let broker = try Broker.preferred()
    try folder.write("images/closed/1.jpg", [1])
    try folder.write("images/closed.jpg", [2])
    try folder.write("images/open.jpg", [3])
    #expect(chmod(folder.path + "/images/closed", 0) == 0 && chmod(folder.path + "/images/closed.jpg", 0) == 0)
    defer { chmod(folder.path + "/images/closed", 0o755) }
    let producer = try Program.unprivileged(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 1, "\(producer.output)")
    for (event, name) in [("image_refused", "images/closed.jpg"), ("folder_unreadable", "images/closed:")] {
      #expect(
        producer.hasEvent(event, ["error": "EACCES"], naming: name, " read access"), "\(event): \(producer.output)")
    }
    #expect(try TopicContent(broker).names() == ["open.jpg"])
    #expect(chmod(folder.path + "/images", 0) == 0)
    let none = try Program.unprivileged(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(none.exitCode() == 1 && none.hasEvent("program_failed", ["error": "EACCES"]), "\(none.output)")
    #expect(chmod(folder.path + "/images", 0o755) == 0)
  }

  // MARK: Brokers

  @Test("a broker that is down for longer than every time-out loses nothing") func longOutageLosesNothing() throws {
    let broker = try Broker(partitions: 2)
    let images = try folder.writeImages(40)
    var environment = broker.environment()
    environment["KAFKA_MESSAGE_TIMEOUT_MS"] = "2000"
    environment["KAFKA_SOCKET_TIMEOUT_MS"] = "2000"
    let topic = try TopicContent(broker)
    let consumer = try Program(["consumer"], in: folder, environment: environment)
    let producer = try Program(["producer"], in: folder, environment: environment)
    #expect(eventually { folder.rows.count == 40 }, "\(consumer.output)")
    broker.setDown(true)
    try folder.write("images/late.jpg", [9])
    // Longer than the session, message and socket time-outs.
    pause(.seconds(9))
    broker.setDown(false)
    #expect(eventually(within: .seconds(60)) { folder.rows.count == 41 }, "\(producer.output)\n\(consumer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    try expectStored(images.merging(["late.jpg": [9]]) { $1 }, in: folder)
    #expect(try topic.names().contains("late.jpg"))
    #expect(try Program.sendAll(in: folder, broker).sent == 0)
  }

  @Test("one output serves the demo, a broker and the demo again") func demoAndBrokerShareAnOutput() throws {
    let broker = try Broker.preferred()
    var images = try folder.writeImages(20)
    func demo() throws -> String {
      let program = try Program(["demo", "--input", "images", "--output", "."], in: folder)
      #expect(program.exitCode() == 0, "\(program.output)")
      return program.output
    }
    #expect(try demo().numbers(in: "images") == [20])
    try expectStored(images, in: folder)
    // Other messages at the demo's offsets.
    images["new.jpg"] = [1, 2]
    try folder.write("images/new.jpg", images["new.jpg"]!)
    #expect(try Program.sendAll(in: folder, broker).sent == 21)
    #expect(try Program.storeAll(in: folder, broker).stored == 1)
    try expectStored(images, in: folder)
    images["newer.jpg"] = [3]
    try folder.write("images/newer.jpg", images["newer.jpg"]!)
    #expect(try demo().numbers(in: "images") == [1, 21])
    try expectStored(images, in: folder)
    #expect(try Program.storeAll(in: folder, broker).stored == 0)
  }
}
