import Kafka
import Platform

/// The CSV file, read according to RFC 4180 by code that is independent of the writer.
struct CSVTable {
  let header: [String]
  let rows: [[String]]

  init(_ path: String) throws {
    var records: [[String]] = []
    var record: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    let text = try content(of: path)
    var place = 0
    while place < text.count {
      let byte = text[place]
      place += 1
      switch (byte, isQuoted) {
      case (UInt8(ascii: "\""), true):
        if place < text.count, text[place] == UInt8(ascii: "\"") {
          field.append(byte)
          place += 1
        } else {
          isQuoted = false
        }
      case (_, true): field.append(byte)
      case (UInt8(ascii: "\""), false): isQuoted = true
      case (UInt8(ascii: ","), false), (UInt8(ascii: "\n"), false):
        record.append(String(decoding: field, as: UTF8.self))
        field = []
        if byte == UInt8(ascii: "\n") {
          records.append(record)
          record = []
        }
      default: field.append(byte)
      }
    }
    // A row that is still being written has no line break yet. It is left out.
    header = records.first ?? []
    rows = Array(records.dropFirst())
  }

  /// The index of a column, by its name; nil if there is none.
  func column(_ name: String) -> Int? { header.firstIndex(of: name) }
}
