import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite

/// A damaged or lost catalog: the consumer refuses it, `repair` fixes it, and reading the topic again duplicates
/// nothing.
@Suite(.ownThread) struct RepairTests {
  private let folder = TestFolder()
  private static let catalog = TestFolder.output + "/.image-pipeline/catalog.sqlite"

  private func repair(_ code: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    let program = try Program(["repair", "--json"], in: folder)
    #expect(program.exitCode() == code, "\(program.output)", sourceLocation: sourceLocation)
    return program.output
  }

  private func refuses(_ broker: Broker, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let consumer = try Program(["consumer", "--until-idle", "0.2"], in: folder, environment: broker.environment())
    #expect(consumer.exitCode() == 1, "\(consumer.output)", sourceLocation: sourceLocation)
    #expect(
      consumer.hasEvent("program_failed", naming: "image-pipeline repair", Self.catalog), "\(consumer.output)",
      sourceLocation: sourceLocation)
  }

  private func damage() throws {
    for suffix in ["", "-wal"] {
      guard let file = try? File.open(folder.path + "/" + Self.catalog + suffix, .readWrite) else { continue }
      let size = try file.status().size
      try [UInt8](repeating: 0x5A, count: size).withUnsafeBytes { try file.write($0, at: 0) }
    }
  }

  private func segments(_ name: String, _ bytes: [UInt8]) -> [TestMessage] {
    TestMessage.segments(name, bytes, size: 1_000)
  }

  /// Versions of images, whole and in segments, some repeated, and one image whose last segment is still to arrive.
  private func history() -> (messages: [TestMessage], images: [String: [UInt8]], rows: [String], rest: TestMessage) {
    let versions = (0..<6).map { SeededNumbers.bytes(2_500 + $0, seed: UInt64($0)) }
    let late = segments("late.png", versions[5])
    let first = segments("b.png", versions[0])
    let messages =
      [.image("a.jpg", versions[0]), late[0], .image("a.jpg", versions[0])] + first
      + [.image("a.jpg", versions[1]), late[1], .image("c.jpg", versions[4])] + segments("b.png", versions[2])
      // One version between another's segments.
      + segments("d.png", versions[3]).dropLast() + [.image("d.png", versions[1])]
      + segments("d.png", versions[3]).suffix(1) + [.image("c.jpg", versions[4])]
    let rows = ["a.jpg", "b.png", "a.jpg", "c.jpg", "b.png", "d.png", "d.png"]
    let images = ["a.jpg": versions[1], "b.png": versions[2], "c.jpg": versions[4], "d.png": versions[3]]
    return (messages, images, rows, late[2])
  }

  private func expect(
    _ images: [String: [UInt8]], _ rows: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(try folder.files(TestFolder.output) == images.keys.sorted(), sourceLocation: sourceLocation)
    expectBytes(images, in: folder, TestFolder.output, sourceLocation: sourceLocation)
    #expect(folder.rowNames == rows, sourceLocation: sourceLocation)
  }

  @Test(
    "a damaged or lost catalog is rebuilt, and nothing is lost or duplicated",
    arguments: ["damaged", "emptied", "lost", "all lost"])
  func catalogIsRebuilt(how: String) throws {
    let broker = try Broker.preferred()
    let (messages, images, rows, rest) = history()
    try broker.send(messages)
    _ = try Program.storeAll(in: folder, broker)
    try expect(images, rows)
    let before = folder.text(TestFolder.csv)
    switch how {
    case "damaged": try damage()
    case "emptied":
      for suffix in ["-wal", "-shm"] { try folder.remove(Self.catalog + suffix) }
      try folder.write(Self.catalog, [])
    case "lost": for suffix in ["", "-wal", "-shm"] { try folder.remove(Self.catalog + suffix) }
    default: try folder.remove(TestFolder.output + "/.image-pipeline")
    }
    try refuses(broker)
    #expect(folder.text(TestFolder.csv) == before)
    let said = try repair()
    let results = said.results
    #expect(results.contains { $0.has(["finding": "catalog_rebuilt", "rows": "7"]) }, "\(said)")
    #expect(results.last?.has(["sound": "4", "catalog_new": "true"]) == true, "\(said)")
    #expect(folder.text(TestFolder.csv) == before)
    #expect(try repair().isOfSoundOutput)
    // Earlier segments are not lost with the catalog: the topic has them.
    try broker.send([rest, .image("c.jpg", images["a.jpg"]!)])
    let output = try Program.storeAll(in: folder, broker).output
    #expect(output.log.hasEvent("consumer_finished", ["images": "2", "older_versions": "4"]), "\(output)")
    let all = images.merging(["late.png": SeededNumbers.bytes(2_505, seed: 5), "c.jpg": images["a.jpg"]!]) { $1 }
    try expect(all, rows + ["late.png", "c.jpg"])
    #expect(try Program.storeAll(in: folder, broker).stored == 0)
    try expect(all, rows + ["late.png", "c.jpg"])
    let asides = try folder.leftovers().filter { !$0.contains("catalog.sqlite.aside-") }
    #expect(asides == [])
    #expect(try repair().isOfSoundOutput)
  }

  @Test("images that are missing after a repair are restored without a second row") func missingImagesAreRestored()
    throws
  {
    let broker = try Broker.preferred()
    let (messages, images, rows, _) = history()
    try broker.send(messages)
    _ = try Program.storeAll(in: folder, broker)
    let before = folder.text(TestFolder.csv)
    try damage()
    try folder.remove(TestFolder.output + "/a.jpg")
    try folder.write(TestFolder.output + "/b.png", [1, 2, 3])
    let said = try repair(1)
    let results = said.results
    #expect(results.contains { $0.has(["finding": "missing", "name": "a.jpg"]) }, "\(said)")
    #expect(results.contains { $0.has(["finding": "altered", "name": "b.png"]) }, "\(said)")
    #expect(results.last?.number("remaining") == 2, "\(said)")
    _ = try Program.storeAll(in: folder, broker)
    try expect(images, rows)
    #expect(folder.text(TestFolder.csv) == before)
    #expect(try repair().isOfSoundOutput)
  }

  @Test("a removed image is sent again after a repair and has one row") func removedImageHasOneRow() throws {
    let broker = try Broker.preferred()
    for number in 0..<4 { try folder.write("images/\(number).jpg", [UInt8(number)]) }
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 0, "\(producer.output)")
    _ = try Program.storeAll(in: folder, broker)
    try folder.remove(TestFolder.output + "/1.jpg")
    try folder.write(TestFolder.output + "/2.jpg", [9])
    #expect(try repair(1).results.last?.number("remaining") == 2)
    let verify = try Program(["verify", "--resend"], in: folder, environment: broker.environment())
    #expect(verify.exitCode() == 1, "\(verify.output)")
    _ = try Program.storeAll(in: folder, broker)
    #expect(try repair().isOfSoundOutput)
    try expect(Dictionary(uniqueKeysWithValues: (0..<4).map { ("\($0).jpg", [UInt8($0)]) }), folder.rowNames)
    #expect(folder.rowNames.sorted() == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"])
  }

  @Test("with catalog and CSV file lost, images get rows, and the topic adds its own") func lostCSVFileIsRebuilt()
    throws
  {
    let broker = try Broker.preferred()
    let images = sampleImages(12)
    try broker.send(images.map { .image($0.key, $0.value) })
    _ = try Program.storeAll(in: folder, broker)
    try folder.remove(TestFolder.csv)
    try folder.remove(TestFolder.output + "/.image-pipeline")
    let said = try repair()
    let rebuilt = ["finding": "catalog_rebuilt", "rows": "0", "images_without_row": "12"]
    #expect(said.results.contains { $0.has(rebuilt) }, "\(said)")
    try expectStored(images, in: folder)
    #expect(try Program.storeAll(in: folder, broker).stored == 0)
    try expectStored(images, in: folder)
    let verify = try Program(
      ["verify", "--input", TestFolder.output, "--output", TestFolder.output, "--csv", TestFolder.csv],
      in: folder)
    #expect(verify.exitCode() == 0, "\(verify.output)")
  }

  /// The topic read after the repair is not the rows' topic: its messages are new, however old their times are.
  @Test("messages of another topic are new after a repair") func otherTopicIsNew() throws {
    let first = try Broker()
    let versions = (0..<2).map { SeededNumbers.bytes(500, seed: UInt64($0)) }
    let second = try Broker()
    // The older message first, in the later cluster, at an offset below the row's.
    try second.send([.image("a.jpg", versions[0])])
    try first.send([.image("x.jpg", [1]), .image("a.jpg", versions[1]), .image("y.jpg", [2])])
    try LocalConsumer.storeAll(in: folder, first, cluster: "first")
    try damage()
    _ = try repairAbsolute()
    let said = try LocalConsumer.storeAll(in: folder, second, cluster: "second")
    #expect(said.hasEvent("last_message_missing"), "\(said)")
    try expect(["a.jpg": versions[0], "x.jpg": [1], "y.jpg": [2]], ["x.jpg", "a.jpg", "y.jpg", "a.jpg"])
  }

  private func repairAbsolute() throws -> String {
    let program = try Program(
      ["repair"], in: folder,
      environment: [
        "PROCESSED_IMAGES_DIR": folder.path + "/" + TestFolder.output,
        "CSV_PATH": folder.path + "/" + TestFolder.csv,
      ])
    #expect(program.exitCode() == 0, "\(program.output)")
    return program.output
  }

  /// The image has its name, and the catalog still waits for its last segment. The next consumer fixes this.
  @Test("an assembled but uncommitted image is left to the next consumer", arguments: [false, true])
  func uncommittedImageIsLeft(hasOlder: Bool) throws {
    let broker = try Broker.preferred()
    let older = hasOlder ? [TestMessage.image("b.png", [1, 2, 3])] : []
    let image = SeededNumbers.bytes(2_500, seed: 1)
    try broker.send(older + segments("b.png", image))
    let victim = try Program(
      ["consumer", "--until-idle", "0.3"], in: folder,
      environment: broker.environment(["BATCH_IMAGES": "1", "FAULT_POINT": "imageAssembled"]))
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    #expect(try repair().isOfSoundOutput)
    #expect(try Program.storeAll(in: folder, broker).stored == 1)
    try expect(["b.png": image], hasOlder ? ["b.png", "b.png"] : ["b.png"])
    #expect(try folder.leftovers() == [])
    #expect(try !broker.hasDeadLetters)
    #expect(try repair().isOfSoundOutput)
  }

  @Test("a repair is refused while a consumer runs") func repairNeedsExclusiveOutput() throws {
    let broker = try Broker.preferred()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try broker.send([.image("1.jpg", [1])])
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    #expect(try repair(1).log.hasEvent("program_failed", ["error": "OutputLock.InUse"]))
    consumer.signal(SIGKILL)
    #expect(consumer.exitCode() == 128 + SIGKILL)
    #expect(try repair().isOfSoundOutput)
  }

  @Test("a catalog that is damaged while in use ends the consumer") func damagedCatalogEndsConsumer() throws {
    let broker = try Broker.preferred()
    try broker.send([.image("1.jpg", [1])])
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    let path = folder.path + "/" + Self.catalog
    let other = try Database(path: path, busyTimeout: .seconds(1))
    // A change by another connection makes the consumer read its memory again.
    try other.execute("BEGIN IMMEDIATE; INSERT INTO facts VALUES ('test', '')")
    try damage()
    try other.commit()
    try broker.send([.image("2.jpg", [2])])
    #expect(consumer.exitCode() == 1, "\(consumer.output)")
    #expect(consumer.hasEvent("program_failed", ["error": "CatalogError.damaged"], naming: "image-pipeline repair"))
    other.close()
    _ = try repair()
    _ = try Program.storeAll(in: folder, broker)
    try expect(["1.jpg": [1], "2.jpg": [2]], ["1.jpg", "2.jpg"])
  }

  @Test("a catalog that is removed while in use ends the consumer") func removedCatalogEndsConsumer() throws {
    let broker = try Broker.preferred()
    try broker.send([.image("1.jpg", [1])])
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    try folder.remove(TestFolder.output + "/.image-pipeline")
    try broker.send([.image("2.jpg", [2])])
    #expect(consumer.exitCode() == 1, "\(consumer.output)")
    #expect(consumer.hasEvent("program_failed", ["error": "CatalogError.gone"]), "\(consumer.output)")
    _ = try repair()
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["1.jpg": [1], "2.jpg": [2]], in: folder)
  }
}
