import SQLite

extension Catalog {
  /// What the catalog remembers of a CSV file. As long as these values match, the file is as the consumers left it.
  struct CSVRecord {
    /// Bytes that the file has at least. An interrupted batch may have left more.
    var length = 0
    /// The id of the last row that the file has.
    var lastStored: Int64 = 0
    var lastLine: [UInt8] = []
  }

  /// nil if no consumer has written this file.
  func csvRecord(_ path: String) throws -> CSVRecord? {
    try prepared("SELECT length, last_stored, last_line FROM csv_files WHERE path = ?").first(.text(path)) {
      CSVRecord(length: Int($0.integer(0)), lastStored: $0.integer(1), lastLine: $0.blob(2))
    }
  }

  func set(_ record: CSVRecord, csvPath: String) throws {
    try prepared("REPLACE INTO csv_files VALUES (?, ?, ?, ?)").run(
      .text(csvPath), .integer(Int64(record.length)), .integer(record.lastStored), .blob(record.lastLine))
  }
}
