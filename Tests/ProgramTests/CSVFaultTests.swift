import Glibc
import TestSupport
import Testing

@testable import Platform

/// A CSV file that somebody else changes, deletes, owns or uses.
@Suite(.ownThread) struct CSVFaultTests {
  private let folder = TestFolder()

  @Test("a CSV file that is truncated while the consumer runs is rewritten with all rows", arguments: [0, 20, 300])
  func truncatedCSVFileIsRewritten(length: Int) throws {
    let broker = try Broker.preferred()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try broker.send((1...3).map { .image("\($0).jpg", [UInt8($0)]) })
    #expect(eventually { folder.rows.count == 3 }, "\(consumer.output)")
    let before = folder.rows
    #expect(truncate(folder.path + "/" + TestFolder.csv, length) == 0)
    let cut = folder.text(TestFolder.csv)
    try broker.send([.image("4.jpg", [4])])
    #expect(eventually { folder.rows.count == 4 }, "\(consumer.output)")
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    #expect(Array(folder.rows.prefix(3)) == before)
    let asides = try folder.leftovers()
    #expect(asides.count == (length == 0 ? 0 : 1))
    for aside in asides { #expect(folder.text(aside) == cut) }
  }

  @Test("an altered CSV file in a read-only folder is kept in the output") func alteredCSVFileIsKeptInOutput() throws {
    let broker = try Broker.preferred()
    try folder.write("closed/data.csv", Array("my own notes".utf8))
    #expect(chmod(folder.path + "/closed", 0o555) == 0)
    defer { chmod(folder.path + "/closed", 0o755) }
    try broker.send([.image("1.jpg", [1])])
    let consumer = try Program.unprivileged(
      ["consumer", "--until-idle", "0.3"], in: folder, environment: broker.environment(["CSV_PATH": "closed/data.csv"]),
      owned: ["closed/data.csv"])
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    let asides = try folder.leftovers()
    try #require(asides.count == 1 && asides[0].hasPrefix(TestFolder.output + "/.image-pipeline/data.csv.aside-"))
    #expect(folder.text(asides[0]) == "my own notes")
    #expect(folder.text("closed/data.csv").split(separator: "\n").count == 2)
  }

  @Test("two outputs that run at the same time do not take one CSV file") func outputsDoNotTakeOneCSVFile() throws {
    let broker = try Broker.preferred()
    try broker.send([.image("1.jpg", [1])])
    let first = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { folder.rows.count == 1 }, "\(first.output)")
    let other = broker.environment(["PROCESSED_IMAGES_DIR": "other", "CONSUMER_GROUP": "other-" + broker.group])
    let second = try Program(["consumer", "--until-idle", "0.2"], in: folder, environment: other)
    #expect(second.exitCode() == 1, "\(second.output)")
    #expect(
      second.hasEvent("program_failed", ["error": "CSVInUse"], naming: TestFolder.csv, "CSV_PATH"), "\(second.output)")
    // Consumers of the same output share it.
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["1.jpg": [1]], in: folder)
    // A file re-created after a deletion still belongs to the first output.
    try folder.remove(TestFolder.csv)
    try broker.send([.image("2.jpg", [2])])
    #expect(eventually { folder.rows.count == 2 }, "\(first.output)")
    let third = try Program(["consumer", "--until-idle", "0.2"], in: folder, environment: other)
    #expect(third.exitCode() == 1, "\(third.output)")
    first.signal(SIGTERM)
    #expect(first.exitCode() == 0, "\(first.output)")
    try expectStored(["1.jpg": [1], "2.jpg": [2]], in: folder)
  }

  /// For example, two working directories, or two containers that share the images but not the folder of the CSV file.
  @Test("a consumer that finds another CSV file at the same path is refused") func sameCSVPathMustBeTheSameFile() throws
  {
    let broker = try Broker.preferred(partitions: 2)
    let elsewhere = TestFolder()
    let environment = broker.environment(["PROCESSED_IMAGES_DIR": folder.path + "/" + TestFolder.output])
    func send(_ numbers: ClosedRange<Int>) throws {
      try broker.send(numbers.map { .image("\($0).jpg", [UInt8($0)]) })
    }
    try send(1...10)
    let first = try Program(["consumer"], in: folder, environment: environment)
    #expect(eventually { folder.rows.count == 10 }, "\(first.output)")
    for _ in 1...2 {
      let second = try Program(["consumer"], in: elsewhere, environment: environment)
      #expect(second.exitCode() == 1, "\(second.output)")
      #expect(
        second.hasEvent("program_failed", ["error": "CatalogError.csvDivided"], naming: "CSV_PATH"), "\(second.output)")
    }
    #expect(!elsewhere.exists(TestFolder.csv))
    try send(11...20)
    #expect(eventually { folder.rows.count == 20 }, "\(first.output)")
    // A consumer that finds the same file may join.
    let third = try Program(["consumer"], in: folder, environment: environment)
    #expect(eventually { third.hasEvent("partitions_assigned") }, "\(third.output)")
    // A deleted file is re-created and is the same one for both.
    try folder.remove(TestFolder.csv)
    try send(21...40)
    #expect(eventually { folder.rows.count == 40 }, "\(first.output)\n\(third.output)")
    try send(41...60)
    #expect(eventually { folder.rows.count == 60 }, "\(first.output)\n\(third.output)")
    for consumer in [first, third] { #expect(consumer.terminate() == 0, "\(consumer.output)") }
    #expect(try folder.leftovers() == [])
    // A consumer that is alone may use another path.
    let moved = try Program(["consumer", "--until-idle", "0.3"], in: elsewhere, environment: environment)
    #expect(moved.exitCode() == 0, "\(moved.output)")
    #expect(elsewhere.rows.count == 60)
    #expect(try folder.leftovers() + elsewhere.leftovers() == [])
  }

  /// The drop-in case: the Python script's images and rows exist, and the topic still holds their messages.
  @Test("the output of the Python script is continued") func pythonOutputIsContinued() throws {
    let broker = try Broker.preferred()
    let images = sampleImages(6)
    try broker.send(images.sorted { $0.key < $1.key }.map { .image($0.key, $0.value) })
    let done = images.keys.sorted().prefix(4)
    var theirs = "file_path,image_label\n"
    for name in done {
      try folder.write(TestFolder.output + "/" + name, images[name]!)
      theirs += "\(TestFolder.output)/\(name),\(name.prefix(3))\n"
    }
    try folder.write(TestFolder.csv, Array(theirs.utf8))
    let said = try Program.storeAll(in: folder, broker).output
    #expect(said.log.hasEvent("csv_set_aside") && said.log.hasEvent("output_has_unknown_files"), "\(said)")
    let asides = try folder.leftovers()
    try #require(asides.count == 1)
    #expect(folder.text(asides[0]) == theirs)
    #expect(try folder.files(TestFolder.output) == images.keys.sorted())
    expectBytes(images, in: folder, TestFolder.output)
    #expect(folder.rowNames.sorted() == images.keys.sorted())
  }
}
