import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// An output on a case-folding file system.
@Suite(.ownThread, .enabled("no file system that folds names is to be had") { FoldingDisk.isPermitted })
struct FoldedNameTests {
  private let folder = TestFolder()

  @Test("names that the file system folds into one replace nothing silently") func foldedNamesReplaceNothing() throws {
    let disk = try FoldingDisk()
    let broker = try Broker.preferred()
    let environment = ["PROCESSED_IMAGES_DIR": disk.path + "/out", "CSV_PATH": disk.path + "/out/data.csv"]
    let reserved = try FileStatus.of(disk.path + "/out/.image-pipeline/catalog.sqlite")
    #expect(reserved == nil)
    let hostile = [
      ".IMAGE-PIPELINE/catalog.sqlite", ".Image-Pipeline/in-use.lock", ".IMAGE-pipeline/consumer-1/lock", "DATA.CSV",
      "Data.csv",
    ]
    let large = TestMessage.segments("CAT/Large.png", SeededNumbers.bytes(3_000, seed: 2), size: 1_000)
    try broker.send(
      [.image("a.jpg", [1]), .image("A.jpg", [2]), .image("cat/large.png", [3])] + large
        + hostile.map { .image($0, Array("hostile".utf8)) } + [.image("Cat/other.jpg", [4]), .image("a.jpg", [5])])
    #expect(try Program.storeAll(in: folder, broker, environment).stored == 4)
    let letters = try broker.deadLetters()
    try #require(letters.count == 1 + 3 + hostile.count)
    #expect(letters.allSatisfy { $0.header("__connect.errors.exception.class.name") == "NameRefusal" })
    let reasons = letters.map { $0.header("__connect.errors.exception.message") ?? "" }
    #expect(reasons[0].contains("\"a.jpg\" exists, and the file system treats the two names as the same"), "\(reasons)")
    #expect(reasons.count { $0.contains("belongs to the consumer") } == 3, "\(reasons)")
    #expect(reasons.count { $0.contains("the name of the CSV file") } == 2, "\(reasons)")
    func bytes(_ name: String) throws -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: 10)
      let count = try bytes.withUnsafeMutableBytes {
        try File.open(disk.path + "/out/" + name, .read).read(into: $0, at: 0)
      }
      return Array(bytes.prefix(count))
    }
    #expect(try bytes("a.jpg") == [5])
    #expect(try bytes("cat/large.png") == [3])
    #expect(try bytes("cat/other.jpg") == [4])
    // All messages arrive again, and a restart finds the earlier files.
    try broker.send([.image("a.jpg", [5]), .image("cat/large.png", [3]), .image("cat/new.jpg", [6])])
    #expect(try Program.storeAll(in: folder, broker, environment).stored == 1)
    let repair = try Program(["repair", "--json"], in: folder, environment: environment)
    #expect(repair.exitCode() == 0 && repair.output.isOfSoundOutput, "\(repair.output)")
  }

  /// The CSV file's name is free after a deletion until the end of the next batch.
  @Test("an image does not take the name of a deleted CSV file") func imageDoesNotBecomeCSVFile() throws {
    let disk = try FoldingDisk()
    let broker = try Broker.preferred()
    let consumer = try Program(
      ["consumer"], in: folder,
      environment: broker.environment([
        "PROCESSED_IMAGES_DIR": disk.path + "/out", "CSV_PATH": disk.path + "/out/data.csv",
      ]))
    func names() throws -> [String] {
      try Folder.open(disk.path + "/out").names().filter { !$0.hasPrefix(".") }.sorted()
    }
    try broker.send([.image("a.jpg", [1])])
    #expect(eventually { try names() == ["a.jpg", "data.csv"] }, "\(consumer.output)")
    try Folder.open(disk.path + "/out").remove("data.csv")
    try broker.send([.image("DATA.csv", [2]), .image("b.jpg", [3])])
    #expect(eventually { try names().contains("b.jpg") }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    #expect(try names() == ["a.jpg", "b.jpg", "data.csv"])
    #expect(try broker.deadLetters().count == 1)
  }
}
