internal import CSQLite

/// The current row of a statement, valid only within the closure that receives it. Columns count from 0. A value of
/// another type is converted by SQLite's rules (sqlite.org/c3ref/column_blob.html).
package struct Row {
  let statement: OpaquePointer

  /// 0 for NULL.
  package func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

  /// 0 for NULL.
  func real(_ column: Int32) -> Double { sqlite3_column_double(statement, column) }

  /// Empty for NULL; invalid UTF-8 is repaired.
  package func text(_ column: Int32) -> String {
    // The pointer comes first: requesting it may convert the value, and the length is that of the converted value.
    guard let start = sqlite3_column_text(statement, column) else { return "" }
    let count = Int(sqlite3_column_bytes(statement, column))
    return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  }

  /// Empty for NULL.
  package func blob(_ column: Int32) -> [UInt8] {
    guard let start = sqlite3_column_blob(statement, column) else { return [] }
    return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column))))
  }

  package func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }
}
