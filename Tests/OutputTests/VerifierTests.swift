import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import Wire

/// Handmade folders, with the damage of a careless carrier.
@Suite struct VerifierTests {
  private let scratch: TestFolder
  private let header = String(decoding: CSVLine.header, as: UTF8.self)

  init() throws {
    scratch = TestFolder()
    _ = try scratch.makeFolder("in")
    _ = try scratch.makeFolder("out")
  }

  /// An image that arrived intact.
  private func carry(_ name: String, _ content: String, prefix: String? = nil) throws -> String {
    try scratch.write("in/" + name, content)
    try scratch.write("out/" + name, content)
    return line(storedRow((prefix ?? scratch / "out/") + name, content: content))
  }

  private func verify(_ rows: String..., output: String? = nil) throws -> (Verifier.Result, [String]) {
    try scratch.write("rows.csv", header + rows.joined())
    return try verify(csv: scratch / "rows.csv", output: output)
  }

  private func verify(csv: String, output: String? = nil, namePrefix: String = "") throws -> (Verifier.Result, [String])
  {
    var findings: [String] = []
    let verifier = try Verifier(
      input: VerifiedInputFolder(scratch / "in"), output: VerifiedFolder(output ?? scratch / "out", csvPath: csv),
      filter: FileFilter(extensions: ["jpg"]),
      namePrefix: namePrefix
    ) { findings.append("\($0.fault) \($0.name)") }
    try verifier.run()
    return (verifier.result, findings)
  }

  @Test("arrived images are verified") func arrivedImagesAreVerified() throws {
    let rows = [try carry("1.jpg", "one"), try carry("cat/a,\"b\".jpg", "two"), try carry("empty.jpg", "")]
    try scratch.write("out/.image-pipeline/catalog.sqlite", "not an image")
    try scratch.write("in/notes.txt", "not an image")
    try scratch.write("in/.sent/1.jpg", "sent")
    let (result, findings) = try verify(rows[0], rows[1], rows[2])
    #expect(findings == [])
    #expect(result.isClean)
    #expect(result.verified == 3)
    #expect(result.bytes == 6)
  }

  @Test("prefixed images are compared under their longer names, others are left out")
  func prefixedNamesAreVerified() throws {
    try scratch.write("in/1.jpg", "one")
    try scratch.write("in/2.jpg", "two")
    try scratch.write("in/3.jpg", "three")
    let names = ["left/1.jpg": "one", "left/2.jpg": "not two", "left/4.jpg": "four", "right/1.jpg": "another one"]
    for (name, content) in names { try scratch.write("out/" + name, content) }
    let rows = names.map { line(storedRow(scratch / "out/" + $0.key, content: $0.value)) }
    try scratch.write("rows.csv", header + rows.joined())
    let (result, findings) = try verify(csv: scratch / "rows.csv", namePrefix: "left/")
    #expect(result.verified == 1)
    #expect(findings.sorted() == ["altered 2.jpg", "extra left/4.jpg", "missing 3.jpg"])
  }

  @Test("an image stored under an alternative name is found")
  func alternativeNamesAreFound() throws {
    let row = try carry("1.jpg", "one")
    try scratch.write("in/1.jpg", "two")
    let other = try ImageName("1.jpg").alternatives(digest(of: "two"))[0].value
    try scratch.write("out/" + other, "two")
    let (result, findings) = try verify(row, line(storedRow(scratch / "out/" + other, content: "two")))
    #expect(result.verified == 1 && findings == [], "\(findings)")
    try scratch.write("out/" + other, "three")
    #expect(try verify(row).1.sorted() == ["altered 1.jpg", "extra \(other)"])
  }

  @Test("a file that the consumer moved aside is not extra") func asideFileIsNotExtra() throws {
    let row = try carry("1.jpg", "one")
    try scratch.write("out/rows.csv", header + row)
    try scratch.write("out/rows.csv.aside-1795476676123", "mine")
    try scratch.write("out/cat/rows.csv.aside-1", "somebody's")
    try scratch.write("out/rows.csv.bak", "somebody's")
    let (result, findings) = try verify(csv: scratch / "out/rows.csv")
    #expect(findings.sorted() == ["extra cat/rows.csv.aside-1", "extra rows.csv.bak"])
    #expect(result.verified == 1)
  }

  @Test("thumbnails of a NAS are neither missing nor extra")
  func thumbnailsAreIgnored() throws {
    let row = try carry("cat/1.jpg", "one")
    for name in ["@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/2.jpg", "lost+found/3.jpg"] {
      try scratch.write("in/cat/" + name, "thumbnail")
      try scratch.write("out/cat/" + name, "thumbnail")
    }
    for name in ["Thumbs.db", "._1.jpg", ".DS_Store"] { try scratch.write("out/" + name, "metadata") }
    let (result, findings) = try verify(row)
    #expect(findings == [] && result.verified == 1)
    // A stored image has a row.
    let stored = line(storedRow(scratch / "out/cat/@eaDir/4.jpg", content: "four"))
    try scratch.write("out/cat/@eaDir/4.jpg", "four")
    #expect(try verify(row, stored).1 == ["extra cat/@eaDir/4.jpg"])
  }

  @Test("empty folders are clean") func emptyFoldersAreClean() throws {
    let (result, _) = try verify()
    #expect(result.isClean && result.verified == 0)
  }

  @Test("an absent image is missing") func absentImageIsMissing() throws {
    let row = try carry("1.jpg", "one")
    try scratch.write("in/lost.jpg", "lost")
    _ = try carry("unlogged.jpg", "unlogged")
    let (result, findings) = try verify(row)
    #expect(findings.sorted() == ["missing lost.jpg", "missing unlogged.jpg"])
    #expect(result.faults == [.missing: 2])
    #expect(result.verified == 1)
    #expect(!result.isClean)
  }

  @Test("a symbolic link in the output is no image") func linkInOutputIsNoImage() throws {
    let row = try carry("1.jpg", "one")
    try Folder.open(scratch / "out").remove("1.jpg")
    try scratch.makeLink("out/1.jpg", to: scratch / "in/1.jpg")
    #expect(try verify(row).1.first == "missing 1.jpg")
  }

  @Test("other bytes are altered") func otherBytesAreAltered() throws {
    let rows = [try carry("1.jpg", "one"), try carry("2.jpg", "two"), try carry("3.jpg", "three")]
    try scratch.write("out/1.jpg", "One")
    try scratch.write("in/2.jpg", "newer")
    let wrong = line(storedRow(scratch / "out/3.jpg", content: "another"))
    let (result, findings) = try verify(rows[0], rows[1], wrong)
    #expect(findings.sorted() == ["altered 1.jpg", "altered 2.jpg", "altered 3.jpg"])
    #expect(result.verified == 0)
  }

  @Test("two equal rows in succession are duplicates") func equalRowsAreDuplicates() throws {
    let row = try carry("1.jpg", "one")
    let (result, findings) = try verify(row, row)
    #expect(findings == ["duplicated 1.jpg"])
    #expect(!result.isClean)
  }

  @Test("an image that changed and changed back is no duplicate") func changedBackIsNoDuplicate() throws {
    let row = try carry("1.jpg", "one")
    let between = line(storedRow(scratch / "out/1.jpg", content: "two"))
    #expect(try verify(row, between, row).0.isClean)
  }

  @Test("an image that nobody sent is extra") func unsentImageIsExtra() throws {
    let row = try carry("1.jpg", "one")
    try scratch.write("out/cat/more.jpg", "more")
    let ghost = line(storedRow(scratch / "out/ghost.jpg"))
    let (result, findings) = try verify(row, ghost)
    #expect(findings.first == "extra cat/more.jpg")
    #expect(findings.count == 2)
    #expect(findings.last?.hasPrefix("extra ") == true && findings.last?.hasSuffix("ghost.jpg") == true)
    #expect(result.faults == [.extra: 2])
    #expect(result.verified == 1)
  }

  @Test("a CSV file of the Python scripts has no hashes") func scriptsFileHasNoHashes() throws {
    _ = try carry("1.jpg", "one")
    _ = try carry("cat/2.jpg", "two")
    try scratch.write(
      "rows.csv", "file_path,image_label\nprocessed_images/1.jpg,1.jpg\nprocessed_images/cat/2.jpg,cat\n")
    let (result, findings) = try verify(csv: scratch / "rows.csv")
    #expect(findings == [])
    #expect(result.verified == 2)
  }

  @Test("the output may have been moved") func outputMayHaveMoved() throws {
    let rows = [
      try carry("cat/1.jpg", "one", prefix: "/data/processed/"), try carry("2.jpg", "2", prefix: "/data/processed/"),
    ]
    let (result, findings) = try verify(rows[0], rows[1])
    #expect(findings == [])
    #expect(result.verified == 2)
    try scratch.makeLink("linked", to: scratch / "out")
    #expect(try verify(rows[0], rows[1], output: scratch / "linked").0.isClean)
    #expect(try verify(rows[0], rows[1], output: scratch / "out/").0.isClean)
  }

  @Test("the CSV file in the output is not extra") func csvFileIsNotExtra() throws {
    let row = try carry("1.jpg", "one")
    try scratch.write("out/rows.csv", header + row)
    #expect(try verify(csv: scratch / "out/rows.csv").0.isClean)
    #expect(try verify(csv: scratch / "out/../out//rows.csv").1 == [])
    try scratch.makeLink("linked.csv", to: scratch / "out/rows.csv")
    #expect(try verify(csv: scratch / "linked.csv").1 == [])
  }

  @Test("an output inside the input is no input") func outputInsideInputIsIgnored() throws {
    try scratch.write("in/1.jpg", "one")
    try scratch.write("in/out/1.jpg", "one")
    try scratch.write("in/out/.image-pipeline/catalog.sqlite", "")
    try scratch.write("rows.csv", header + line(storedRow(scratch / "in/out/1.jpg", content: "one")))
    #expect(try verify(csv: scratch / "rows.csv", output: scratch / "in/out").1 == [])
  }

  @Test("names with different Unicode forms are two") func similarNamesAreTwo() throws {
    let rows = [try carry("\u{E9}.jpg", "composed"), try carry("e\u{301}.jpg", "decomposed")]
    let (result, findings) = try verify(rows[0], rows[1])
    #expect(findings == [])
    #expect(result.verified == 2)
  }

  @Test("a slash before a combining character is still a slash", arguments: [nil, "elsewhere/out/"])
  func combiningCharacterAfterSlash(prefix: String?) throws {
    let rows = [try carry("\u{301}1.jpg", "one", prefix: prefix), try carry("cat/\u{301}2.jpg", "two", prefix: prefix)]
    let (result, findings) = try verify(rows[0], rows[1])
    #expect(findings == [])
    #expect(result.verified == 2)
  }

  @Test("an unreadable folder is an error") func unreadableFolderIsAnError() throws {
    #expect(throws: SystemError.self) { try verify(csv: scratch / "none.csv") }
    try scratch.write("rows.csv", header)
    #expect(throws: SystemError.self) { try verify(csv: scratch / "rows.csv", output: scratch / "none") }
  }
}
