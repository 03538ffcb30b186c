import Glibc
import TestSupport
import Testing

@testable import Platform

/// `verify --resend` sends missing images and leaves the files alone.
@Suite(.ownThread) struct ResendTests {
  private let folder = TestFolder()
  private let broker: Broker

  init() throws { broker = try Broker.preferred() }

  private func send(_ environment: [String: String]) throws {
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment(environment))
    #expect(producer.exitCode() == 0, "\(producer.output)")
    _ = try Program.storeAll(in: folder, broker)
  }

  private func resend(_ arguments: [String] = [], _ environment: [String: String] = [:]) throws -> Program {
    let program = try Program(
      ["verify", "--resend"] + arguments, in: folder, environment: broker.environment(environment))
    #expect(program.exitCode() == 1, "\(program.output)")
    return program
  }

  @Test("verify --resend leaves the originals, whatever AFTER_SENT is", arguments: ["delete", "move"])
  func originalsStay(action: String) throws {
    let images = sampleImages(4)
    for (name, bytes) in images { try folder.write("backup/" + name, bytes) }
    try send(["IMAGES_DIR": "backup"])
    try folder.remove(TestFolder.output + "/cat/2.jpg")
    let said = try resend(["--input", "backup"], ["AFTER_SENT": action])
    #expect(said.sent == 1, "\(said.output)")
    #expect(try folder.files("backup") == images.keys.sorted())
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)
  }

  @Test("files that AFTER_SENT has moved can be sent from their new folder") func movedFilesCanBeSent() throws {
    let images = sampleImages(4)
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    try send(["AFTER_SENT": "move", "RECEIPTS_NEEDED": "0"])
    try folder.remove(TestFolder.output + "/dog/3.jpg")
    let said = try resend(["--input", "images/.sent"], ["AFTER_SENT": "move"])
    #expect(said.sent == 1, "\(said.output)")
    #expect(try folder.files("images/.sent") == images.keys.sorted())
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)
  }

  @Test("names with different Unicode forms are two images") func similarNamesAreTwoImages() throws {
    let names = ["\u{E9}.jpg", "e\u{301}.jpg"]
    for (number, name) in names.enumerated() { try folder.write("images/" + name, [UInt8(number)]) }
    try send([:])
    for name in names { try folder.remove(TestFolder.output + "/" + name) }
    let said = try resend()
    #expect(said.sent == 2, "\(said.output)")
    _ = try Program.storeAll(in: folder, broker)
    for (number, name) in names.enumerated() {
      #expect(folder.bytes(TestFolder.output + "/" + name) == [UInt8(number)], "\(Array(name.utf8))")
    }
  }
}

/// Commands that read everything stop between two images when told to.
@Suite(.ownThread) struct StoppedCommandTests {
  private let folder = TestFolder()

  /// Files that each take a while to read and use no disk space.
  private func writeLarge(_ place: String) throws {
    for number in 0..<8 {
      try folder.write("\(place)/\(number).jpg", [])
      #expect(truncate("\(folder.path)/\(place)/\(number).jpg", 1 << 28) == 0)
    }
  }

  private func expectStopped(
    _ program: Program, naming words: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    program.signal(SIGTERM)
    #expect(program.exitCode() == 1, "\(program.output)", sourceLocation: sourceLocation)
    let failures = program.log.events("program_failed", ["error": "Interruption"], naming: words)
    #expect(failures.count == 1, "\(program.output)", sourceLocation: sourceLocation)
  }

  @Test("a stopped verify leaves nothing behind") func stoppedVerifyLeavesNothing() throws {
    try writeLarge("images")
    try writeLarge(TestFolder.output)
    try folder.write(TestFolder.csv, Array("file_path,image_label\n".utf8))
    try folder.makeFolder("tmp")
    let verify = try Program(["verify", "--json"], in: folder, environment: ["TMPDIR": folder.path + "/tmp"])
    let temporary = { try Folder.open(folder.path + "/tmp").names() }
    #expect(eventually { try !temporary().isEmpty }, "\(verify.output)")
    expectStopped(verify)
    #expect(try temporary() == [])
    #expect(!verify.results.contains { $0["verified"] != nil }, "\(verify.output)")
  }

  @Test("a stopped repair can be repeated") func stoppedRepairCanBeRepeated() throws {
    try writeLarge(TestFolder.output)
    let repair = try Program(["repair"], in: folder)
    #expect(
      eventually { folder.exists(TestFolder.output + "/.image-pipeline/catalog.sqlite") }, "\(repair.output)")
    expectStopped(repair, naming: ["run it again"])
    for number in 1..<8 { try folder.remove("\(TestFolder.output)/\(number).jpg") }
    let again = try Program(["repair", "--json"], in: folder)
    #expect(again.exitCode() == 0, "\(again.output)")
    let rebuilt = ["finding": "catalog_rebuilt", "rows": "0", "images_without_row": "1"]
    #expect(again.results.contains { $0.has(rebuilt) }, "\(again.output)")
  }
}
