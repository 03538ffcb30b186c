import TestSupport
import Testing

@testable import Output
@testable import Platform

func storedRow(_ path: String, label: String = "cat", content: String = "image") -> StoredRow {
  StoredRow(
    filePath: path, label: label, digest: digest(of: content), size: content.utf8.count, format: "jpeg", width: 640,
    height: 400, topic: "custom-image-topic", partition: 2, offset: 41, sentTime: 1_795_476_676_123,
    storedTime: 1_795_476_677_000)
}

func line(_ row: StoredRow) -> String { String(decoding: CSVLine.bytes(row), as: UTF8.self) }

/// The records of a text, read in pieces of the given size.
private func records(_ text: String, pieces: Int = .max) -> [[String]] {
  var parser = CSVParser()
  var records: [[String]] = []
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let piece = Array(rest.prefix(pieces))
    rest = rest.dropFirst(piece.count)
    piece.withUnsafeBytes { parser.read($0) { records.append($0) } }
  }
  return records
}

@Suite struct CSVLineTests {
  @Test("the header starts like that of the Python scripts") func headerStartsLikeTheScripts() {
    #expect(String(decoding: CSVLine.header, as: UTF8.self).hasPrefix("file_path,image_label,"))
    #expect(CSVLine.header.last == 0x0A)
  }

  @Test("a row is one line") func rowIsOneLine() {
    #expect(
      line(storedRow("out/cat/1.jpg"))
        == "out/cat/1.jpg,cat,\(digest(of: "image").hex),5,jpeg,640,400,custom-image-topic,2,41,"
        + "2026-11-23T23:31:16.123Z,2026-11-23T23:31:17.000Z\n")
  }

  @Test("a row is read back as it was written") func rowIsReadBack() {
    var bare = storedRow("")
    (bare.width, bare.height, bare.sentTime, bare.format, bare.label) = (nil, nil, nil, "", "")
    (bare.topic, bare.partition, bare.offset) = ("", -1, -1)
    #expect(line(bare).hasSuffix(",5,,,,,,,,2026-11-23T23:31:17.000Z\n"))
    var extreme = storedRow("a,\"\n\r'é")
    (extreme.offset, extreme.partition, extreme.sentTime, extreme.storedTime) = (.max, .max, .min, .max)
    let formula = storedRow("out/a", label: "=\u{301}1")
    for row in [storedRow("out/cat/1.jpg"), bare, extreme, formula, storedRow("out/a", label: "'x")] {
      #expect(records(line(row)).map { CSVLine.row($0) } == [row])
    }
  }

  @Test("a row that is not ours is none", arguments: 0..<12) func foreignRowIsNone(column: Int) throws {
    let fields = try #require(records(line(storedRow("a"))).first)
    #expect(CSVLine.row(fields) != nil)
    #expect(CSVLine.row(Array(fields.dropLast())) == nil)
    #expect(CSVLine.row(fields + [""]) == nil)
    #expect(CSVLine.row(CSVLine.columns) == nil)
    var altered = fields
    altered[column] = "?"
    let isText = [0, 1, 4, 7].contains(column)
    #expect((CSVLine.row(altered) == nil) == !isText)
  }

  @Test("an unknown value is empty") func unknownValueIsEmpty() {
    var row = storedRow("a")
    (row.width, row.height, row.sentTime, row.format) = (nil, nil, nil, "")
    #expect(line(row).contains(",5,,,,custom-image-topic,2,41,,2026-11-23"))
  }

  @Test(
    "a field is quoted if needed",
    arguments: [
      ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("a\nb", "\"a\nb\""), ("a\rb", "\"a\rb\""), ("\"", "\"\"\"\""),
      ("a b'é", "a b'é"), ("a\"\u{301}", "\"a\"\"\u{301}\""), ("a,\u{301}", "\"a,\u{301}\""), ("=1+1", "=1+1"),
    ])
  func fieldIsQuotedIfNeeded(field: String, quoted: String) {
    #expect(Array(line(storedRow(field, label: "x")).utf8).starts(with: Array("\(quoted),x,".utf8)))
  }

  @Test(
    "a label that a spreadsheet would calculate gets an apostrophe",
    arguments: [
      "=1+1", "=HYPERLINK(\"http://x\")", "@SUM(A1)", "\tx", "\rx", "+A1", "-A1", "+1+1", "-1-1", "-", "+", "--1",
      "-1.2.3",
      "-1e5", "+ 1", "-1 ", "-.", "=\u{301}x", "-\u{661}", "=", "-1,5",
    ])
  func formulaLabelGetsApostrophe(label: String) {
    let read = records(line(storedRow("out/a", label: label)))
    #expect(read.first.map { Array($0[1].utf8) } == Array("'\(label)".utf8))
  }

  @Test(
    "every other label stays as it is",
    arguments: ["-1", "+1", "-0.5", "+12.", "-.5", "1", "1+1", "a=b", "'x", " =1", "'=1", "cat", "\u{FF1D}1", "\n"])
  func otherLabelStays(label: String) {
    let read = records(line(storedRow("out/a", label: label)))
    #expect(read.first.map { Array($0[1].utf8) } == Array(label.utf8))
  }

  @Test("a path stays as it is") func pathStaysAsItIs() {
    #expect(records(line(storedRow("=out/@x/-y.jpg"))).first?[0] == "=out/@x/-y.jpg")
  }

  private static let awkward = [
    "plain", "", "a,b", "a\"b", "\"", "\"\"", "\",\"", "\n", "\r\n", "\r", "é,猫\"\n🐈", " a ", "a\"\u{301}b", ",",
    "\",\n\"",
  ]

  @Test("written fields are read back") func writtenFieldsAreReadBack() {
    for path in Self.awkward {
      for label in Self.awkward {
        let read = records(line(storedRow(path, label: label)))
        #expect(read.count == 1)
        #expect(read.first?.count == CSVLine.columns.count)
        let shown = label.utf8.first == 0x0D ? "'" + label : label
        #expect(read.first?.prefix(2).map { Array($0.utf8) } == [Array(path.utf8), Array(shown.utf8)])
      }
    }
  }

  @Test("the parser accepts pieces of any size", arguments: 1...7)
  func parserTakesAnyPieces(size: Int) {
    let text = Self.awkward.map { line(storedRow($0, label: $0)) }.joined()
    #expect(records(text, pieces: size) == records(text))
    #expect(records(text).count == Self.awkward.count)
  }

  @Test("Windows line ends are read, too") func windowsLineEndsAreRead() {
    #expect(records("a,b\r\nc,\"d\"\r\n") == [["a", "b"], ["c", "d"]])
  }

  @Test("an unfinished record is not returned") func unfinishedRecordIsKept() {
    #expect(records("a,b\nc,d") == [["a", "b"]])
    #expect(records("a,\"b\n") == [])
    #expect(records("\n") == [[""]])
  }

  /// Another program's file, in which a quote is just a character.
  @Test(
    "an unclosed quote costs its line and no memory", arguments: ["\"the first\n", "\"the \"\"first\n", "x,\"\"\"\n"])
  func openQuoteCostsOneLine(line: String) {
    let rows = (0..<200_000).map { "out/\($0).jpg,cat" }
    var parser = CSVParser()
    var read: [String] = []
    var most = 0
    for piece in [line] + rows.map({ $0 + "\n" }) {
      Array(piece.utf8).withUnsafeBytes { parser.read($0) { read.append($0[0]) } }
      most = max(most, parser.bytesHeld)
    }
    #expect(read.count == 200_001)
    let areThere = read.dropFirst() == rows.map { String($0.dropLast(4)) }[...]
    #expect(areThere)
    #expect(most < 3 << 20)
  }

  @Test("a field may have many lines") func fieldMayHaveManyLines() {
    let text = String(repeating: "line, \"\"\n", count: 80_000)
    #expect(records("a,\"\(text)\",c\n").first.map { $0.map(\.utf8.count) } == [1, text.utf8.count - 80_000, 1])
  }

  @Test("a quote that is unclosed at the end of the file is a character") func openQuoteAtEndIsACharacter() throws {
    let scratch = TestFolder()
    let file = try File.open(scratch.write("a.csv", "a,\"b\nc,d\ne,\"\"\n"), .read)
    var read: [[String]] = []
    try CSVParser.read(file) { read.append($0) }
    #expect(read == [["a", "\"b"], ["c", "d"], ["e", ""]])
  }

  @Test("an endless line is a record without fields", arguments: ["x", ","])
  func endlessLineHasNoFields(content: String) {
    var parser = CSVParser()
    var read: [[String]] = []
    var most = 0
    for _ in 0..<3_000 {
      Array(String(repeating: content, count: 1_000).utf8).withUnsafeBytes { parser.read($0) { read.append($0) } }
      most = max(most, parser.bytesHeld)
    }
    #expect(most < 3 << 20)
    Array("\na,b\n".utf8).withUnsafeBytes { parser.read($0) { read.append($0) } }
    #expect(read.map(\.count) == [0, 2])
  }

  @Test("the start of an unfinished record is known") func unfinishedRecordHasAStart() {
    for (text, start) in [("", ""), ("a,b\n", ""), ("a,b\nou", "ou"), ("a,b\nout,c", "out"), ("\"o\"\"u", "o\"u")] {
      var parser = CSVParser()
      Array(text.utf8).withUnsafeBytes { parser.read($0) { _ in } }
      #expect(parser.unfinishedStart == start)
    }
  }
}
