import Glibc
import TestSupport
import Testing

@testable import Platform

/// Kills while damage is repaired.
@Suite(.ownThread) struct RepairFaultPointTests {
  static let points: [FaultPoint] = [.catalogSetAside, .catalogRebuilt, .csvMovedAside]

  private let folder = TestFolder()
  private static let catalog = TestFolder.output + "/.image-pipeline/catalog.sqlite"

  private func repair() throws -> String {
    let program = try Program(["repair", "--json"], in: folder)
    #expect(program.exitCode() == 0, "\(program.output)")
    return program.output
  }

  /// After the kill of a consumer, which leaves SQLite's extra files next to the catalog.
  private func store(_ messages: [TestMessage], rows: Int, _ broker: Broker) throws {
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try broker.send(messages)
    #expect(eventually { folder.rows.count == rows }, "\(consumer.output)")
    consumer.signal(SIGKILL)
    #expect(consumer.exitCode() == 128 + SIGKILL)
  }

  private func images() -> (messages: [TestMessage], images: [String: [UInt8]]) {
    var images = sampleImages(12)
    var messages = images.sorted { $0.key < $1.key }.map { TestMessage.image($0.key, $0.value) }
    images["large.png"] = SeededNumbers.bytes(5_000, seed: 3)
    messages += TestMessage.segments("large.png", images["large.png"]!, size: 1_500)
    return (messages, images)
  }

  private func alterCSV() throws -> String {
    try folder.append(Array("mine\n".utf8), to: File.open(folder.path + "/" + TestFolder.csv, .readWrite))
    return folder.text(TestFolder.csv)
  }

  private func csvAsides() throws -> [String] {
    try folder.leftovers().filter { $0.hasPrefix(TestFolder.csv) }.map { folder.text($0) }
  }

  @Test("a killed repair can be repeated with the same result", arguments: points)
  func killedRepairCanBeRepeated(point: FaultPoint) throws {
    let broker = try Broker.preferred()
    let (messages, images) = images()
    try store(messages, rows: images.count, broker)
    let before = folder.text(TestFolder.csv)
    let altered = try alterCSV()
    for suffix in ["", "-wal", "-shm"] {
      let file = try File.open(folder.path + "/" + Self.catalog + suffix, .readWrite)
      try [UInt8](repeating: 0x5A, count: try file.status().size).withUnsafeBytes { try file.write($0, at: 0) }
    }
    let victim = try Program(["repair"], in: folder, environment: ["FAULT_POINT": point.rawValue])
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    _ = try repair()
    #expect(try repair().isOfSoundOutput)
    #expect(folder.text(TestFolder.csv) == before)
    #expect(try csvAsides() == [altered])
    #expect(try Program.storeAll(in: folder, broker).stored == 0)
    #expect(folder.text(TestFolder.csv) == before)
    #expect(try folder.files(TestFolder.output) == images.keys.sorted())
    expectBytes(images, in: folder, TestFolder.output)
    #expect(try repair().isOfSoundOutput)
  }

  @Test("a consumer that is killed while it rewrites the CSV file keeps the altered one")
  func killedRewriteKeepsAlteredFile() throws {
    let broker = try Broker.preferred()
    var (messages, images) = images()
    try broker.send(messages)
    _ = try Program.storeAll(in: folder, broker)
    let altered = try alterCSV()
    images["last.jpg"] = [1]
    messages = [.image("last.jpg", [1])]
    try broker.send(messages)
    let victim = try Program(
      ["consumer", "--until-idle", "0.3"], in: folder,
      environment: broker.environment(["FAULT_POINT": FaultPoint.csvMovedAside.rawValue]))
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    _ = try Program.storeAll(in: folder, broker)
    #expect(try csvAsides() == [altered])
    #expect(folder.rowNames.sorted() == images.keys.sorted())
    #expect(try folder.files(TestFolder.output) == images.keys.sorted())
    expectBytes(images, in: folder, TestFolder.output)
    #expect(try repair().isOfSoundOutput)
  }
}
