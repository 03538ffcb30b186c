import Platform

@testable import Output

/// The parser agrees with a simple one, wherever its input is cut into pieces. A row from the writer reads back as one
/// record with the same fields.
func fuzzCSV(_ bytes: UnsafeRawBufferPointer) {
  guard let first = bytes.first else { return }
  let text = bytes.dropFirst()
  let expected = ReferenceCSV.records(Array(text))
  var parser = CSVParser()
  var pieces: [[String]] = []
  let size = Int(first) + 1
  for start in stride(from: text.startIndex, to: text.endIndex, by: size) {
    withExact(text[start..<min(start + size, text.endIndex)]) { piece in parser.read(piece) { pieces.append($0) } }
  }
  require(
    pieces.map(bytewise) == expected.map(bytewise), "\(pieces) instead of \(expected), in pieces of \(size) bytes")
  requireRoundTrip(text.split(separator: 0, maxSplits: 3).map { String(decoding: $0, as: UTF8.self) })
}

private func bytewise(_ record: [String]) -> [[UInt8]] { record.map { Array($0.utf8) } }

private func requireRoundTrip(_ texts: [String]) {
  func text(_ index: Int) -> String { index < texts.count ? texts[index] : "" }
  let row = StoredRow(
    filePath: text(0), label: text(1), digest: SHA256.hash(UnsafeRawBufferPointer(start: nil, count: 0)), size: 1,
    format: text(2), width: nil, height: 2, topic: text(3), partition: 0, offset: .max, sentTime: nil, storedTime: 0)
  var parser = CSVParser()
  var records: [[String]] = []
  CSVLine.bytes(row).withUnsafeBytes { line in parser.read(line) { records.append($0) } }
  require(records.count == 1, "one row is one record: \(row)")
  let fields = records[0]
  require(fields.count == CSVLine.columns.count, "a row has a field for each column: \(fields)")
  // A label that a spreadsheet would take for a formula gets an apostrophe before it.
  let label = Array(fields[1].utf8)
  let isDefused = label == Array("'".utf8) + Array(text(1).utf8)
  require(isDefused || label == Array(text(1).utf8), "the label comes back: \(fields[1]) of \(row)")
  require(!isDefused || "=@+-\t\r".utf8.contains(label[1]), "no other is altered: \(fields[1]) of \(row)")
  require(!["=", "@", "\t", "\r"].contains { label.starts(with: $0.utf8) }, "a formula: \(fields[1]) of \(row)")
  let found = [fields[0], fields[4], fields[7]]
  require(bytewise(found) == bytewise([0, 2, 3].map(text)), "the fields come back: \(found) of \(row)")
  guard let read = CSVLine.row(fields) else { return require(false, "a row is read: \(fields)") }
  require(CSVLine.bytes(read) == CSVLine.bytes(row), "a row that was read is written as it was: \(read) of \(row)")
}

/// RFC 4180, extended as our parser extends it: a quote opens only at the beginning of a field, and a carriage return
/// outside quotes is ignored.
private enum ReferenceCSV {
  /// The records that end within the text.
  static func records(_ text: [UInt8]) -> [[String]] {
    var records: [[String]] = []
    var fields: [String] = []
    var rest = text[...]
    while let (field, end) = takeField(&rest) {
      fields.append(String(decoding: field, as: UTF8.self))
      guard end == UInt8(ascii: "\n") else { continue }
      records.append(fields)
      fields = []
    }
    return records
  }

  /// A field and the byte that ended it; nil if the text ends first.
  private static func takeField(_ rest: inout ArraySlice<UInt8>) -> ([UInt8], UInt8)? {
    var field: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\r") { continue }
      if byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\n") { return (field, byte) }
      if byte == UInt8(ascii: "\""), field.isEmpty {
        guard let quoted = takeQuoted(&rest) else { return nil }
        field += quoted
      } else {
        field.append(byte)
      }
    }
    return nil
  }

  /// The content up to the closing quote.
  private static func takeQuoted(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
    var content: [UInt8] = []
    while let quote = rest.firstIndex(of: UInt8(ascii: "\"")) {
      content += rest[..<quote]
      rest = rest[(quote + 1)...]
      guard rest.first == UInt8(ascii: "\"") else { return content }
      content.append(rest.removeFirst())
    }
    return nil
  }
}
