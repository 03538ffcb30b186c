import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite

/// `audit` after a round trip, and after damage that each test does by hand.
@Suite(.ownThread) struct AuditTests {
  let folder = TestFolder()
  let broker: Broker
  let images: [String: [UInt8]]

  init() throws {
    broker = try Broker.preferred()
    images = try folder.writeImages(20)
  }

  var names: [String] { images.keys.sorted() }

  func environment(_ more: [String: String] = [:]) -> [String: String] {
    broker.environment(["SETTLE_MS": "50", "RESCAN_MS": "200"].merging(more) { $1 })
  }

  func send(_ more: [String: String] = [:]) throws {
    let producer = try Program(["producer", "--once"], in: folder, environment: environment(more))
    #expect(producer.exitCode() == 0, "\(producer.output)")
  }

  func store(_ more: [String: String] = [:]) throws {
    let consumer = try Program(["consumer", "--until-idle", "0.5"], in: folder, environment: environment(more))
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
  }

  func roundTrip() throws {
    try send()
    try store()
  }

  struct Report {
    /// Each finding as "kind name", in alphabetical order.
    var findings: [String] = []
    /// The last line's counts.
    var totals: [String: Int] = [:]
    var partitions: [[String: Int]] = []
    var output = ""
  }

  func audit(
    _ arguments: [String] = [], _ more: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Report {
    let program = try Program(["audit", "--json"] + arguments, in: folder, environment: environment(more))
    let code = program.exitCode()
    var report = Report(output: program.output)
    for line in JSONLine.all(in: program.output) {
      if let kind = line["finding"] {
        report.findings.append("\(kind) \(line["name"] ?? "")")
      } else if line.number("offered") != nil {
        let counts = line.members.compactMapValues { Int($0) }
        if line.number("partition") == nil { report.totals = counts } else { report.partitions.append(counts) }
      }
    }
    report.findings.sort()
    #expect(code == (report.findings.isEmpty ? 0 : 1), "\(program.output)", sourceLocation: sourceLocation)
    return report
  }

  func change(_ database: String, _ sql: String) throws {
    let database = try Database(path: folder.path + "/" + database, busyTimeout: .seconds(5))
    try database.execute(sql)
    database.close()
  }

  static let catalog = TestFolder.output + "/.image-pipeline/catalog.sqlite"
  static let ledger = ".image-pipeline/ledger.sqlite"

  // MARK: Nothing is wrong

  @Test("a sound round trip has no findings") func soundRoundTripIsClean() throws {
    try roundTrip()
    let report = try audit()
    #expect(report.findings == [], "\(report.output)")
    for (column, count) in ["offered": 20, "sent": 20, "stored": 20, "on_the_way": 0, "unchanged": 0, "extra": 0] {
      #expect(report.totals[column] == count, "\(column): \(report.output)")
    }
    #expect(report.partitions.reduce(0) { $0 + ($1["stored"] ?? 0) } == 20, "\(report.output)")
    #expect(report.partitions.allSatisfy { $0["position"] == nil || $0["position"] == $0["end"] }, "\(report.output)")
  }

  @Test("images that were sent and are not stored yet are on the way") func unreadImagesAreOnTheWay() throws {
    try roundTrip()
    try folder.write("images/later.jpg", "later")
    try send()
    let report = try audit()
    #expect(report.findings == [], "\(report.output)")
    #expect(report.totals["on_the_way"] == 1 && report.totals["stored"] == 20, "\(report.output)")
  }

  @Test("files that the producer passes by are not of the input") func passedByFilesDoNotCount() throws {
    try folder.write("images/notes.txt", "no image")
    try folder.write("images/.hidden/1.jpg", "hidden")
    try folder.write("images/old/1.jpg", "excluded")
    let settings = ["IMAGE_EXCLUDE": "old"]
    try send(settings)
    try store()
    let report = try audit([], settings)
    #expect(report.findings == [] && report.totals["offered"] == 20, "\(report.output)")
  }

  @Test("images that another message had brought are unchanged") func unchangedImagesAreCounted() throws {
    try roundTrip()
    let producer = try Program(["producer", "--once", "--resend"], in: folder, environment: environment())
    #expect(producer.exitCode() == 0, "\(producer.output)")
    try store()
    let report = try audit()
    #expect(report.findings == [], "\(report.output)")
    #expect(report.totals["unchanged"] == 20 && report.totals["stored"] == 20, "\(report.output)")
  }

  @Test("images with a prefix, in segments, and stored beside others of their names are found")
  func otherNamesAreFound() throws {
    let prefixed = ["NAME_PREFIX": "camera/", "SEGMENT_BYTES": "1000", "SAME_NAME": "keep-both"]
    try folder.write("images/large.jpg", SeededNumbers.bytes(5_000, seed: 9))
    try send(prefixed)
    try store(prefixed)
    try folder.write("images/large.jpg", SeededNumbers.bytes(6_000, seed: 10))
    try send(prefixed)
    try store(prefixed)
    let report = try audit(["--sample", "30"], prefixed)
    #expect(report.findings == [], "\(report.output)")
    #expect(report.totals["sent"] == 21 && report.totals["stored"] == 22, "\(report.output)")
  }

  @Test("a producer's folder alone is audited by its receipts") func producerAloneIsAudited() throws {
    try roundTrip()
    try send(["RECEIPTS_NEEDED": "1"])
    let producer = try Program(["producer", "--once", "--until-stored"], in: folder, environment: environment())
    #expect(producer.exitCode() == 0, "\(producer.output)")
    let report = try audit([], ["PROCESSED_IMAGES_DIR": "elsewhere"])
    #expect(report.findings == [] && report.totals["sent"] == 20, "\(report.output)")
    #expect(report.totals["on_the_way"] == 0 && report.totals["stored"] == 20, "\(report.output)")
  }

  @Test("a consumer's folder alone is audited by its positions") func consumerAloneIsAudited() throws {
    try roundTrip()
    try folder.write("images/later.jpg", "later")
    try send()
    let report = try audit([], ["STATE_DIR": "elsewhere"])
    #expect(report.findings == [] && report.totals["stored"] == 20, "\(report.output)")
    #expect(report.totals["on_the_way"] == 1 && report.totals["sent"] == 0, "\(report.output)")
  }

  @Test("a working pipeline raises no alarm", arguments: ["keep", "delete"])
  func workingPipelineIsClean(afterSent: String) throws {
    let settings = ["AFTER_SENT": afterSent]
    let producer = try Program(["producer"], in: folder, environment: environment(settings))
    let consumer = try Program(["consumer"], in: folder, environment: environment(settings))
    #expect(eventually(within: .seconds(60)) { folder.rows.count == 20 }, "\(producer.output)\n\(consumer.output)")
    var random = SeededNumbers(seed: 7)
    for round in 0..<15 {
      for number in 0..<100 {
        // New names, and new versions of names that may be on their way.
        let name =
          Int.random(in: 0...9, using: &random) < 7 ? round * 100 + number : Int.random(in: 0..<100, using: &random)
        try folder.write("images/live/\(name).jpg", "\(round)-\(number)")
      }
      let report = try audit(["--sample", "30"], settings)
      #expect(report.findings == [], "\(report.output)")
    }
    #expect(producer.terminate() == 0 && consumer.terminate() == 0)
  }

  @Test("a folder without ledger and output is refused") func nothingToCompareIsRefused() throws {
    let program = try Program(["audit"], in: folder, environment: environment())
    #expect(program.exitCode() == 1 && program.hasEvent("program_failed"), "\(program.output)")
  }

  @Test("a sample is read and compared byte for byte") func sampleIsRead() throws {
    try roundTrip()
    #expect(try audit(["--sample", "7"]).totals["sampled"] == 7)
    // Only reading shows it: size and time are those of the stored file.
    let name = try #require(names.first)
    let path = folder.path + "/" + TestFolder.output + "/" + name
    let status = try #require(try FileStatus.of(path))
    let file = try File.open(path, .readWrite)
    try [images[name]![0] ^ 1].withUnsafeBytes { try file.write($0, at: 0) }
    try folder.setTime(of: TestFolder.output + "/" + name, nanoseconds: status.modified)
    #expect(try audit().findings == [])
    #expect(try audit(["--sample", "20"]).findings == ["sample_differs \(name)"])
  }

  // MARK: Damage

  @Test("a deleted, a truncated and a replaced file are named") func damagedFilesAreNamed() throws {
    try roundTrip()
    let output = TestFolder.output + "/"
    try folder.remove(output + names[0])
    try folder.write(output + names[1], Array(images[names[1]]!.dropLast()))
    try folder.write(output + names[2], images[names[2]]!.map { $0 ^ 1 })
    let report = try audit()
    #expect(
      report.findings == ["file_altered \(names[1])", "file_altered \(names[2])", "file_missing \(names[0])"],
      "\(report.output)")
    #expect(report.totals["stored"] == 17 && report.totals["missing"] == 1 && report.totals["altered"] == 2)
  }

  @Test("a removed, a doubled and a changed row are named") func damagedRowsAreNamed() throws {
    try roundTrip()
    let all = try folder.read(TestFolder.csv).split(separator: "\n").map { $0 + "\n" }
    let name = try #require(names.first { all[5].contains("/\($0),") })
    try folder.write(TestFolder.csv, (all[..<5] + all[6...]).joined())
    #expect(try audit().findings == ["row_missing \(name)"])
    try folder.write(TestFolder.csv, (all[...5] + all[5...]).joined())
    #expect(try audit().findings == ["row_doubled \(name)"])
    let changed = all[5].replacing("/\(name),", with: "/\(name),another-")
    try folder.write(TestFolder.csv, (all[..<5] + [changed] + all[6...]).joined())
    #expect(try audit().findings == ["row_altered \(name)"])
  }

  @Test("an image that the catalog lost is named once") func lostCatalogRowIsNamed() throws {
    try roundTrip()
    try change(Self.catalog, "DELETE FROM images WHERE name = '\(names[3])'")
    #expect(try audit().findings == ["entry_missing \(names[3])"])
    try change(Self.catalog, "DELETE FROM stored WHERE file_path LIKE '%/\(names[3])'")
    #expect(
      try audit().findings == [
        "file_unknown \(names[3])", "image_missing \(names[3])", "row_unknown \(names[3])",
      ])
  }

  @Test("a stored position that was moved is named", arguments: [-3, 3, 1_000])
  func movedPositionIsNamed(by distance: Int) throws {
    try roundTrip()
    try change(Self.catalog, "UPDATE positions SET next = next + \(distance)")
    let report = try audit()
    let moved = report.findings.filter { $0.hasPrefix("position_moved partition ") }
    #expect(!moved.isEmpty && moved.count == report.findings.count, "\(report.output)")
  }

  @Test("an image whose line the ledger lost is named") func lostLedgerLineIsNamed() throws {
    try roundTrip()
    try change(Self.ledger, "DELETE FROM files WHERE path = '\(names[4])'")
    #expect(try audit().findings == ["not_in_ledger \(names[4])"])
  }

  @Test("a file that was never sent is named, and one that has changed since") func unsentFilesAreNamed() throws {
    try roundTrip()
    try folder.write("images/new.jpg", "new")
    try folder.write("images/" + names[5], "another version")
    try folder.write("images/" + names[6], images[names[6]]!)  // Another time, the same bytes.
    #expect(try audit().findings == ["changed_since_sent \(names[5])", "not_sent new.jpg"])
  }

  @Test("an image in the dead letters is named") func deadLetterIsNamed() throws {
    try roundTrip()
    try broker.send([.image("../bad.jpg", [1, 2, 3])])
    try store()
    let report = try audit()
    #expect(report.findings == ["dead_letter ../bad.jpg"], "\(report.output)")
    #expect(report.totals["dead_letters"] == 1)
  }

  @Test("a dead letter that was sent back is not named") func replayedLetterIsNotNamed() throws {
    try roundTrip()
    try broker.send([.image("../bad.jpg", [1, 2, 3])])
    try store()
    let replay = try Program(["dead-letters", "--replay"], in: folder, environment: environment())
    #expect(replay.exitCode() == 0, "\(replay.output)")
    let report = try audit()
    #expect(report.findings == [] && report.totals["dead_letters"] == 0, "\(report.output)")
  }

  @Test("an image that another sender has replaced is named") func replacedImageIsNamed() throws {
    try roundTrip()
    try broker.send([.image(names[7], [1, 2, 3])])
    try store()
    #expect(try audit().findings == ["image_replaced \(names[7])"])
  }

  @Test(
    "messages that were removed from the topic before they were stored are lost",
    .enabled("needs a real broker") { Broker.realServers != nil })
  func removedMessagesAreLost() throws {
    try roundTrip()
    for number in 0..<6 { try folder.write("images/later/\(number).jpg", "later \(number)") }
    try send()
    let client = try KafkaProducer(broker.settings()) { _ in }
    defer { client.close() }
    try client.deleteRecords(of: broker.topic, partition: 0, before: 24, timeout: .seconds(30))
    let report = try audit()
    #expect(report.findings.filter { $0.hasPrefix("image_lost later/") }.count == 4, "\(report.output)")
    #expect(report.findings.filter { $0 == "messages_lost partition 0" }.count == 1, "\(report.output)")
    #expect(report.findings.count == 5 && report.totals["lost"] == 4 && report.totals["on_the_way"] == 2)
  }
}
