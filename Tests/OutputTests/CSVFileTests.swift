import TestSupport
import Testing

@testable import Output
@testable import Platform

/// A CSV file next to a real catalog. Each test plays a consumer that writes, is killed, and finds others' work.
@Suite struct CSVFileTests {
  private let scratch: TestFolder
  private let catalog: Catalog
  private let lines = LogLines()

  init() throws {
    scratch = TestFolder()
    catalog = try Catalog(in: scratch.makeFolder("out/.image-pipeline"), exclusive: false)
  }

  private func csv(_ name: String = "rows.csv") -> CSVFile {
    CSVFile(path: scratch / name, outputPath: "out", catalog: catalog, log: lines.log)
  }

  private func synchronize(_ name: String = "rows.csv") throws {
    try catalog.transaction { try csv(name).synchronize() }
  }

  private func store(_ names: String...) throws {
    try catalog.transaction { for name in names { try catalog.append(storedRow("out/\(name)")) } }
  }

  private func expected(_ names: String...) -> String {
    String(decoding: CSVLine.header, as: UTF8.self) + names.map { line(storedRow("out/\($0)")) }.joined()
  }

  private var text: String { get throws { try scratch.read("rows.csv") } }
  private var asides: [String] { get throws { try scratch.names().filter { $0.hasPrefix("rows.csv.aside-") } } }

  @Test("the header is written once") func headerIsWrittenOnce() throws {
    try synchronize()
    try synchronize()
    #expect(try text == expected())
    try store("a.jpg")
    try synchronize()
    #expect(try text == expected("a.jpg"))
  }

  @Test("only new rows are appended") func onlyNewRowsAreAppended() throws {
    try store("a.jpg")
    try synchronize()
    let inode = try scratch.status("rows.csv").inode
    try store("b,1.jpg", "c\"2.jpg")
    try synchronize()
    #expect(try text == expected("a.jpg", "b,1.jpg", "c\"2.jpg"))
    #expect(try scratch.status("rows.csv").inode == inode)
    #expect(try asides == [])
    #expect(lines.all == [])
  }

  @Test("a file that matches its record is not touched") func recordedFileIsNotTouched() throws {
    try store("a.jpg")
    try synchronize()
    let before = try scratch.status("rows.csv")
    try synchronize()
    #expect(try scratch.status("rows.csv") == before)
  }

  @Test("more rows than fit into one buffer are all written") func manyRowsAreAllWritten() throws {
    let name = String(repeating: "x", count: 200)
    try catalog.transaction { for number in 0..<5_000 { try catalog.append(storedRow("out/\(name)\(number)")) } }
    try synchronize()
    let rows = try text.utf8.split(separator: 0x0A)
    #expect(rows.count == 5_001)
    #expect(String(rows[5_000])?.hasPrefix("out/\(name)4999,") == true)
  }

  @Test("an interrupted append is cut off") func interruptedAppendIsCut() throws {
    try store("a.jpg")
    try synchronize()
    // Appended and synced, then killed before the commit.
    try scratch.append("rows.csv", line(storedRow("out/lost.jpg")) + line(storedRow("out/lost,2.jpg")))
    try store("b.jpg")
    try synchronize()
    #expect(try text == expected("a.jpg", "b.jpg"))
    #expect(try asides == [])
  }

  @Test("a rolled-back transaction leaves no rows in the file") func rollbackLeavesNoRows() throws {
    try store("a.jpg")
    try synchronize()
    struct Killed: Error {}
    #expect(throws: Killed.self) {
      try catalog.transaction {
        try catalog.append(storedRow("out/b.jpg"))
        try csv().synchronize()
        throw Killed()
      }
    }
    #expect(try text == expected("a.jpg", "b.jpg"))
    try synchronize()
    #expect(try text == expected("a.jpg"))
    #expect(try asides == [])
  }

  @Test("an append interrupted at any byte is cut off") func partialAppendIsCutAnywhere() throws {
    try store("a.jpg")
    try synchronize()
    let lost = Array(line(storedRow("out/\"lost\",\n2.jpg")).utf8)
    for count in stride(from: 1, through: lost.count, by: 3) {
      let before = try contents(of: scratch / "rows.csv")
      try scratch.write("rows.csv", before + lost.prefix(count))
      try synchronize()
      #expect(try contents(of: scratch / "rows.csv") == before, "\(count) bytes")
    }
    #expect(try asides == [])
  }

  @Test(
    "an interrupted header is rewritten",
    arguments: [0, 1, 9, 10, 30, 60, CSVLine.header.count - 1, CSVLine.header.count])
  func partialHeaderIsRewritten(count: Int) throws {
    try scratch.write("rows.csv", Array(CSVLine.header.prefix(count)))
    try synchronize()
    #expect(try text == expected())
    #expect(try asides == [])
  }

  @Test(
    "a foreign file is moved aside and a full one written",
    arguments: [
      "file_path,image_label\nprocessed_images/1.jpg,1.jpg\n", "my own notes", "\n", "file_path,image_label\n",
    ])
  func foreignFileIsMovedAside(foreign: String) throws {
    try store("a.jpg", "b.jpg")
    try scratch.write("rows.csv", foreign)
    try synchronize()
    #expect(try text == expected("a.jpg", "b.jpg"))
    let aside = try #require(try asides.first)
    #expect(try scratch.read(aside) == foreign)
    #expect(lines.entries.map(\.event) == ["csv_set_aside"])
  }

  @Test("a truncated file is moved aside and rebuilt") func shorterFileIsRebuilt() throws {
    try store("a.jpg", "b.jpg")
    try synchronize()
    let whole = try contents(of: scratch / "rows.csv")
    try scratch.write("rows.csv", Array(whole.dropLast()))
    try synchronize()
    #expect(try contents(of: scratch / "rows.csv") == whole)
    #expect(try asides.count == 1)
  }

  @Test("a stopped rebuild leaves nothing to be moved aside") func stoppedRebuildLeavesNothing() throws {
    let name = String(repeating: "x", count: 200)
    try catalog.transaction { for number in 0..<10_000 { try catalog.append(storedRow("out/\(name)\(number)")) } }
    try synchronize()
    let whole = try contents(of: scratch / "rows.csv")
    try scratch.append("rows.csv", "mine.jpg,cat\n")
    let csv = csv()
    for end in 1...3 {
      var beats = 0
      let heart = Heartbeat(every: .zero) {
        beats += 1
        return beats < end
      }
      #expect(throws: Heartbeat.GivenUp.self) { try catalog.transaction { try csv.synchronize(heart) } }
      #expect(beats == end)
    }
    #expect(try asides.count == 1)
    try catalog.transaction { try csv.synchronize() }
    #expect(try contents(of: scratch / "rows.csv") == whole)
    #expect(try asides.count == 1)
  }

  @Test("a removed file is rebuilt, and nothing is moved aside") func removedFileIsRebuilt() throws {
    try store("a.jpg")
    try synchronize()
    try Folder.open(scratch.path).remove("rows.csv")
    try synchronize()
    #expect(try text == expected("a.jpg"))
    #expect(try asides == [])
  }

  @Test("an altered header is noticed") func alteredHeaderIsNoticed() throws {
    try store("a.jpg")
    try synchronize()
    let altered = try text.replacing("file_path", with: "FILE_PATH")
    try scratch.write("rows.csv", altered)
    try synchronize()
    #expect(try text == expected("a.jpg"))
    #expect(try scratch.read(#require(try asides.first)) == altered)
  }

  @Test("an altered last row is noticed") func alteredLastRowIsNoticed() throws {
    try store("a.jpg", "b.jpg")
    try synchronize()
    let altered = try text.replacing("out/b.jpg", with: "out/B.jpg")
    try scratch.write("rows.csv", altered)
    try store("c.jpg")
    try synchronize()
    #expect(try text == expected("a.jpg", "b.jpg", "c.jpg"))
    #expect(try scratch.read(#require(try asides.first)) == altered)
  }

  @Test(
    "rows that a user added are never cut off",
    arguments: [
      "mine.jpg,cat\n", "\n", "out/mine.jpg,cat\n", "note without line end", "other/1.jpg,a,b,c,d,e,f,g,h,i,j,k\n",
      "out/1.jpg,cat,nohash,5,jpeg,1,1,t,0,1,,2026\n", ",\n",
    ])
  func usersRowsAreNeverCut(added: String) throws {
    try store("a.jpg")
    try synchronize()
    try scratch.append("rows.csv", added)
    let altered = try text
    try store("b.jpg")
    try synchronize()
    #expect(try text == expected("a.jpg", "b.jpg"))
    #expect(try scratch.read(#require(try asides.first)) == altered)
  }

  @Test("a user's rows after an interrupted append are never cut off") func usersRowsAfterAppendAreKept() throws {
    try store("a.jpg")
    try synchronize()
    try scratch.append("rows.csv", line(storedRow("out/lost.jpg")) + "mine.jpg,cat\n")
    let altered = try text
    try synchronize()
    #expect(try text == expected("a.jpg"))
    #expect(try scratch.read(#require(try asides.first)) == altered)
  }

  @Test("another CSV path gets a full file") func otherPathGetsFullFile() throws {
    try store("a.jpg", "b.jpg")
    try synchronize()
    try synchronize("other.csv")
    #expect(try scratch.read("other.csv") == expected("a.jpg", "b.jpg"))
    // Back again: the first file continues.
    try store("c.jpg")
    try synchronize()
    #expect(try text == expected("a.jpg", "b.jpg", "c.jpg"))
    #expect(try asides == [])
  }

  @Test("a folder at the CSV path is an error") func folderAtPathIsAnError() throws {
    _ = try scratch.makeFolder("rows.csv")
    #expect(throws: SystemError.self) { try synchronize() }
    try Folder.open(scratch.path).removeFolder("rows.csv")
    try synchronize()
    #expect(try text == expected())
  }
}
