import Glibc
import TestSupport
import Testing

@testable import Platform

/// Small file systems in memory, which only root can mount.
@Suite(.ownThread, .enabled("mounting a small disk is not permitted") { SmallDisk.isPermitted }) struct FullDiskTests {
  private let folder = TestFolder()

  /// A full disk is reported by the system or by SQLite, with how to free space.
  private func isOfFullDisk(_ entry: LogEntry) -> Bool {
    ["ENOSPC", "SQLITE_FULL"].contains(entry.fields["error"]) && entry.message.contains("df -h")
  }

  @Test("a full disk is reported, the consumer waits, and nothing is lost", arguments: [1, 7, 256])
  func fullDiskLosesNothing(batch: Int) throws {
    let disk = try SmallDisk(at: folder.path + "/disk", bytes: 3 << 20)
    defer { disk.remove() }
    let broker = try Broker.preferred()
    var images = sampleImages(40, bytes: 20_000)
    var messages = images.sorted { $0.key < $1.key }.map { TestMessage.image($0.key, $0.value) }
    images["large.png"] = SeededNumbers.bytes(200_000, seed: 77)
    messages.insert(contentsOf: TestMessage.segments("large.png", images["large.png"]!, size: 50_000), at: 20)
    try folder.write("disk/ballast", [UInt8](repeating: 1, count: 2_300_000))
    let environment = broker.environment(
      [
        "PROCESSED_IMAGES_DIR": "disk/out", "CSV_PATH": "disk/data.csv", "BATCH_IMAGES": "\(batch)",
      ].merging(Broker.shortPollInterval) { $1 })
    try broker.send(messages)
    let consumer = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: environment)
    // The same batch is retried. Files prepared ahead take space, too, and free it at the first failure.
    #expect(eventually { consumer.hasEvent("batch_failed", ["retry_ms": "2000"]) }, "\(consumer.output)")
    #expect(consumer.events("batch_failed").contains(where: isOfFullDisk), "\(consumer.output)")
    let before = try folder.files("disk/out")
    // Rows of a batch that cannot be committed may be written already, and no others.
    expectKeptWaiting(consumer) {
      let rows = folder.text("disk/data.csv").split(separator: "\n").dropFirst()
      let names = Set(rows.map { $0.split(separator: ",")[0] })
      return try names.count == rows.count && rows.count <= before.count && folder.files("disk/out") == before
    }
    #expect(before.count < images.count)
    try folder.remove("disk/ballast")
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    #expect(!consumer.wasExpelled, "\(consumer.output)")
    #expect(consumer.stored == 41, "\(consumer.output)")
    #expect(try folder.files("disk/out") == images.keys.sorted())
    expectBytes(images, in: folder, "disk/out")
    let rows = folder.text("disk/data.csv").split(separator: "\n").dropFirst()
    #expect(Set(rows.map { $0.split(separator: ",")[0] }).count == images.count)
    #expect(rows.count == images.count)
    #expect(try folder.leftovers() == [])
  }

  @Test("a full disk of the CSV file leaves no partial rows") func fullCSVDiskKeepsRowsWhole() throws {
    let disk = try SmallDisk(at: folder.path + "/disk", bytes: 1 << 20)
    defer { disk.remove() }
    let broker = try Broker.preferred()
    let images = sampleImages(400, bytes: 10)
    try broker.send(images.map { .image($0.key, $0.value) })
    // Space for the header and some rows, until part of a batch does not fit.
    try folder.write("disk/ballast", [UInt8](repeating: 1, count: (1 << 20) - 16_384))
    let environment = broker.environment(["CSV_PATH": "disk/data.csv", "BATCH_IMAGES": "50"])
    let consumer = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: environment)
    #expect(eventually { consumer.hasEvent("batch_failed", ["error": "ENOSPC"]) }, "\(consumer.output)")
    #expect(consumer.exitCode(within: .seconds(0)) == nil)
    try folder.remove("disk/ballast")
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    try folder.write(TestFolder.csv, folder.bytes("disk/data.csv") ?? [])
    try expectStored(images, in: folder)
  }

  /// A failed attempt must not leave a partial file that the next attempt moves aside.
  @Test("a CSV file that is rewritten on a full disk is moved aside once", arguments: ["renamed", "copied"])
  func rewriteMovesFileAsideOnce(how: String) throws {
    let disk = try SmallDisk(at: folder.path + "/disk", bytes: 1 << 20)
    defer { disk.remove() }
    let broker = try Broker.preferred()
    var images = sampleImages(400, bytes: 10)
    let environment = broker.environment(["CSV_PATH": "disk/data.csv"])
    try broker.send(images.map { .image($0.key, $0.value) })
    _ = try Program.storeAll(in: folder, broker, ["CSV_PATH": "disk/data.csv"])
    let csv = folder.path + "/disk/data.csv"
    let bind = how == "copied" ? try BindMount(csv, at: csv) : nil
    defer { bind?.remove() }
    let consumer = try Program(["consumer"], in: folder, environment: environment)
    #expect(eventually { consumer.hasEvent("partitions_assigned") }, "\(consumer.output)")
    try folder.append(Array("mine\n".utf8), to: File.open(csv, .readWrite))
    let altered = folder.text("disk/data.csv")
    // Space for a part of it.
    try folder.fill("disk/ballast", leaving: 16 << 10)
    images["last.jpg"] = [1]
    try broker.send([.image("last.jpg", [1])])
    func asides() throws -> [String] {
      try Folder.open(folder.path + "/disk").names().filter { $0.contains(".aside-") }
    }
    #expect(
      eventually { consumer.events("batch_failed", ["error": "ENOSPC"]).count >= 4 }, "\(consumer.output)")
    #expect(try asides().count <= 1)
    try folder.remove("disk/ballast")
    #expect(eventually { folder.text("disk/data.csv").contains("last.jpg") }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    #expect(try asides().map { folder.text("disk/" + $0) } == [altered])
    try folder.write(TestFolder.csv, folder.bytes("disk/data.csv") ?? [])
    #expect(folder.rowNames.sorted() == images.keys.sorted())
    #expect(try Program(["repair"], in: folder, environment: environment).exitCode() == 0)
  }

  @Test("a full disk of the ledger is reported, and nothing is forgotten") func fullLedgerDiskForgetsNothing() throws {
    let disk = try SmallDisk(at: folder.path + "/disk", bytes: 1 << 20)
    defer { disk.remove() }
    let broker = try Broker.preferred()
    let environment = broker.environment(["STATE_DIR": "disk/state"])
    let topic = try TopicContent(broker)
    try folder.makeFolder("images")
    let producer = try Program(["producer"], in: folder, environment: environment)
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try folder.fill("disk/ballast", leaving: 0)
    for number in 0..<300 { try folder.write("images/\(number).jpg", [UInt8(number % 256)]) }
    #expect(eventually { producer.events("ledger_failed").contains(where: isOfFullDisk) }, "\(producer.output)")
    try folder.remove("disk/ballast")
    #expect(eventually { try topic.names().count == 301 })
    #expect(producer.terminate() == 0, "\(producer.output)")
    let again = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(again.exitCode() == 0, "\(again.output)")
    #expect(again.sent == 0, "\(again.output)")
  }

  @Test("a read-only disk is reported at the start with its fix") func readOnlyDiskIsReportedAtStart() throws {
    let disk = try SmallDisk(at: folder.path + "/disk", bytes: 1 << 20)
    defer { disk.remove() }
    let broker = try Broker.preferred()
    try folder.write("images/1.jpg", [1])
    try disk.makeReadOnly()
    for (command, variable) in [
      (["consumer", "--until-idle", "0.2"], "PROCESSED_IMAGES_DIR"), (["consumer", "--until-idle", "0.2"], "CSV_PATH"),
      (["producer", "--once"], "STATE_DIR"),
    ] {
      let program = try Program(command, in: folder, environment: broker.environment([variable: "disk/it"]))
      #expect(program.exitCode() == 1, "\(variable): \(program.output)")
      let fix = try #require(SystemError("create", "", code: EROFS).cure)
      #expect(
        program.hasEvent("program_failed", ["error": "EROFS"], naming: "disk/it", fix), "\(variable): \(program.output)"
      )
    }
  }
}

extension TestFolder {
  /// Fills the disk of a file except for the given bytes, to the page.
  fileprivate func fill(_ name: String, leaving room: Int) throws {
    let file = try File.open(path + "/" + name, .createNew)
    let page = [UInt8](repeating: 1, count: 4_096)
    var size = 0
    while (try? page.withUnsafeBytes({ try file.write($0, at: size) })) != nil { size += page.count }
    try file.truncate(to: size - room)
  }
}
