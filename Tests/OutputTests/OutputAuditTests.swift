import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import SQLite
@testable import Wire

/// An output with images that a consumer stored, and then damaged by hand.
@Suite struct OutputAuditTests: SpoiltOutput {
  let scratch = TestFolder()
  let lines = LogLines()

  /// Each finding as "fault name", in alphabetical order.
  private func audit(
    patience: Duration = .zero, mostSuspects: Int = 10_000, mostHashed: Int = 1_000,
    beforeFirstLook: () throws -> Void = {}, beforeSecondLook: @escaping () throws -> Void = {}
  ) throws -> (result: OutputAudit.Result, findings: [String]) {
    var findings: [String] = []
    let audit = try #require(
      try OutputAudit(FolderFiles(scratch / "out", csvPath: scratch / "rows.csv"), topic: "t", patience: patience) {
        findings.append("\($0.fault.rawValue) \($0.name)")
      })
    (audit.mostSuspects, audit.mostHashed) = (mostSuspects, mostHashed)
    audit.beforeSecondLook = beforeSecondLook
    try beforeFirstLook()
    try audit.run()
    return (audit.result, findings.sorted())
  }

  private var csvLines: [String] {
    get throws { try rows.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { $0 + "\n" } }
  }

  private func write(_ lines: [String]) throws { try scratch.write("rows.csv", lines.joined()) }

  private func change(_ sql: String) throws {
    let database = try Database(path: scratch / catalogFile, busyTimeout: .seconds(5))
    try database.execute(sql)
    database.close()
  }

  @Test("a sound output has no findings") func soundOutputIsClean() throws {
    try fill(Self.images)
    try scratch.write("out/.DS_Store", "not an image")
    let (result, findings) = try audit()
    #expect(findings == [] && result.isClean)
    #expect(result.images == 3 && result.sound == 3 && result.rows == 4 && result.unproven == 0)
  }

  @Test("a deleted, a truncated and a replaced file are named") func damagedFilesAreNamed() throws {
    try fill(Self.images)
    try scratch.remove("out/a.jpg")
    try scratch.write("out/cat/b.jpg", "tw")
    try scratch.write("out/cat/ö, \"c\".jpg", "THREE")
    #expect(
      try audit().findings == [
        "file_altered cat/b.jpg", "file_altered cat/ö, \"c\".jpg", "file_missing a.jpg",
      ])
  }

  @Test("a file that was copied back has its bytes, whatever its time") func restoredFileIsSound() throws {
    try fill(Self.images)
    try scratch.remove("out/cat/b.jpg")
    try scratch.write("out/cat/b.jpg", "two")
    let (result, findings) = try audit()
    #expect(findings == [] && result.sound == 3)
  }

  @Test("a file that no consumer stored is unknown") func strangeFileIsUnknown() throws {
    try fill(Self.images)
    try scratch.write("out/dog/x.jpg", "by hand")
    #expect(try audit().findings == ["file_unknown dog/x.jpg"])
  }

  @Test("a removed, a doubled, a changed and an added row are told apart") func rowsAreCompared() throws {
    try fill(Self.images)
    let all = try csvLines
    try write([all[0], all[1], all[3], all[4]])
    #expect(try audit().findings == ["row_missing cat/b.jpg"])
    try write([all[0], all[1], all[2], all[2], all[3], all[4]])
    #expect(try audit().findings == ["row_doubled cat/b.jpg"])
    try write([all[0], all[1], all[2].replacing(",3,", with: ",4,"), all[3], all[4]])
    #expect(try audit().findings == ["row_altered cat/b.jpg"])
    try write([all[0], all[1], "\(scratch / "out")/z.jpg,z,,,,,,,,,,\n", all[2], all[3], all[4]])
    #expect(try audit().findings == ["row_unknown z.jpg"])
    try write(Array(all[0...3]))
    #expect(try audit().findings == ["row_missing a.jpg"])
    try write(all)
    #expect(try audit().result.rows == 4)
  }

  @Test("a row behind the end that the catalog vouches for is not compared") func rowsInProgressAreLeftOut() throws {
    try fill(Self.images)
    try write(try csvLines + ["\(scratch / "out")/next.jpg,next"])
    #expect(try audit().findings == [])
  }

  @Test("rows after the last recorded one are told from those of a batch in progress") func addedRowsAreCompared()
    throws
  {
    try fill(Self.images)
    let all = try csvLines
    try write(all + [all[4]])
    #expect(try audit().findings == ["row_doubled a.jpg"])
    try write(all + [all[4].replacing("/a.jpg,", with: "/z.jpg,")])
    #expect(try audit().findings == ["row_unknown z.jpg"])
    try write(all + ["strange\n"])
    #expect(try audit().findings == ["row_unknown strange"])
    // The next message, which a consumer that was killed had begun to store.
    try write(all + [all[4].replacing(",t,0,3,", with: ",t,0,4,")])
    #expect(try audit().findings == [])
  }

  @Test("a CSV file that was deleted lacks all rows") func missingFileLacksRows() throws {
    try fill(Self.images)
    try scratch.remove("rows.csv")
    #expect(
      try audit().findings == [
        "row_missing a.jpg", "row_missing a.jpg", "row_missing cat/b.jpg", "row_missing cat/ö, \"c\".jpg",
      ])
  }

  @Test("a CSV file that was sorted is reported without comparing all of it") func sortedFileEnds() throws {
    try fill((0..<300).map { ("\($0).jpg", "\($0)") })
    let all = try csvLines
    try write([all[0]] + all.dropFirst().reversed())
    let faults = try audit().result.faults
    #expect(Set(faults.keys).isSubset(of: [.rowAltered, .rowDoubled, .rowMissing]) && !faults.isEmpty)
  }

  @Test("an image that is missing in the catalog is named once") func missingEntryIsNamed() throws {
    try fill(Self.images)
    try change("DELETE FROM images WHERE name = 'cat/b.jpg'")
    #expect(try audit().findings == ["entry_missing cat/b.jpg"])
    try change("DELETE FROM stored WHERE file_path LIKE '%cat/b.jpg'")
    #expect(try audit().findings == ["file_unknown cat/b.jpg", "row_unknown cat/b.jpg"])
  }

  @Test("what a consumer commits during the audit is no finding") func imageInProgressIsAwaited() throws {
    try fill(Self.images)
    let store = try store()
    let topic = try store.catalog.topic("t", cluster: "c")
    // As within a transaction: the file has its name, and the catalog does not have it yet.
    try scratch.write("out/new.jpg", "new")
    let findings = try audit(patience: .seconds(30)) {
      let status = try #require(try store.folder.status(ImageName("new.jpg")))
      try store.catalog.transaction {
        try store.catalog.set(Catalog.Entry(digest(of: "new"), status), name: "new.jpg")
        try store.catalog.set(.init(next: 100, last: nil), topic, partition: 0)
      }
    }.findings
    #expect(findings == [])
    // Nobody commits this one.
    try scratch.write("out/stranger.jpg", "stranger")
    #expect(try audit(patience: .milliseconds(300)).findings == ["file_unknown stranger.jpg"])
    withExtendedLifetime(store) {}
  }

  @Test("what consumers have stored since the beginning is no finding, however much") func laterImagesAreNoFindings()
    throws
  {
    try fill(Self.images)
    let store = try store()
    let later = (0..<20).map { ("later/\($0).jpg", "later \($0)") } + [("cat/b.jpg", "another")]
    #expect(try audit(mostSuspects: 1, beforeFirstLook: { try fill(later, from: 4) }).findings == [])
    withExtendedLifetime(store) {}
  }

  @Test("altered files next to a consumer are named, however often they are looked at") func alteredFilesStayNamed()
    throws
  {
    try fill((0..<5).map { ("\($0).jpg", "content \($0)") })
    let store = try store()
    for number in 0..<5 { try scratch.write("out/\(number).jpg", "changed \(number)") }
    #expect(try audit(patience: .milliseconds(700), mostHashed: 8).result.faults == [.fileAltered: 5])
    withExtendedLifetime(store) {}
  }

  @Test("a catalog is refused if its newest commits cannot be seen") func unseenCommitsAreRefused() throws {
    try fill(Self.images)
    // Nobody uses it. Then a consumer begins, and perhaps ends.
    #expect(throws: UnseenCommits.self) { try audit(beforeFirstLook: { try fill([("new.jpg", "new")], from: 4) }) }
    #expect(try audit().findings == [])
    let store = try store()
    _ = try store.catalog.topic("other", cluster: "c")
    // As on a file system without memory that processes can share.
    try scratch.remove(catalogFile + "-shm")
    #expect(throws: UnseenCommits.self) { try audit() }
    withExtendedLifetime(store) {}
  }

  @Test("an empty catalog, which a consumer is creating, is none for any reader") func emptyCatalog() throws {
    _ = try scratch.makeFolder("new/.image-pipeline")
    try scratch.write("new/.image-pipeline/catalog.sqlite", "")
    #expect(try Catalog(reading: scratch / "new") == nil)
    #expect(try StoredImages(FolderFiles(scratch / "new", csvPath: nil)) == nil)
    #expect(
      try OutputAudit(FolderFiles(scratch / "new", csvPath: scratch / "rows.csv"), topic: "t", report: { _ in }) == nil)
  }

  @Test("the images of an output that was moved are known by their rows") func movedOutputIsKnown() throws {
    try fill(Self.images)
    try scratch.move("out", to: "moved")
    func audit() throws -> (partitions: [Int32?: Int], findings: [String]) {
      var findings: [String] = []
      let audit = try #require(
        try OutputAudit(FolderFiles(scratch / "moved", csvPath: scratch / "rows.csv"), topic: "t", patience: .zero) {
          findings.append("\($0.fault.rawValue) \($0.name)")
        })
      try audit.run()
      return (audit.result.storedByPartition, findings)
    }
    #expect(try audit().partitions == [0: 3])
    let database = try Database(path: scratch / "moved/.image-pipeline/catalog.sqlite", busyTimeout: .seconds(5))
    try database.execute("DELETE FROM images WHERE name = 'cat/b.jpg'")
    database.close()
    #expect(try audit().findings == ["entry_missing cat/b.jpg"])
  }

  @Test("an output without a catalog is refused") func missingCatalogIsRefused() throws {
    try scratch.write("out/a.jpg", "one")
    #expect(throws: (any Error).self) { try audit() }
  }
}
