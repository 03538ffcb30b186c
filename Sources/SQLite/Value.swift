internal import CSQLite

extension Statement {
  /// A value for a parameter, one case for each storage class of SQLite (sqlite.org/datatype3.html).
  package enum Value: Sendable, Equatable {
    case null
    case integer(Int64)
    /// May contain NULs; SQLite's own text functions stop at the first one.
    case text(String)
    case blob([UInt8])
    /// NaN is stored as NULL, because SQLite has no NaN.
    case real(Double)
  }
}

extension Statement.Value: ExpressibleByNilLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral
{
  package init(nilLiteral: ()) { self = .null }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(floatLiteral value: Double) { self = .real(value) }
  package init(stringLiteral value: String) { self = .text(value) }
}

extension Statement.Value {
  /// - Parameter index: from 1.
  /// - Returns: SQLite's result code.
  func bind(to statement: OpaquePointer, at index: CInt) -> CInt {
    switch self {
    case .null: return sqlite3_bind_null(statement, index)
    case .integer(let value): return sqlite3_bind_int64(statement, index, value)
    case .real(let value): return sqlite3_bind_double(statement, index, value)
    case .text(var text):
      return text.withUTF8 { bytes in
        // A nil pointer would bind NULL.
        bytes.isEmpty
          ? sqlite_bind_text_copy(statement, index, "", 0)
          : bytes.withMemoryRebound(to: CChar.self) {
            sqlite_bind_text_copy(statement, index, $0.baseAddress, UInt64($0.count))
          }
      }
    case .blob(let bytes):
      // The pointer of an empty array may be nil, which would bind NULL.
      return bytes.isEmpty
        ? sqlite3_bind_zeroblob(statement, index, 0)
        : bytes.withUnsafeBytes { sqlite_bind_blob_copy(statement, index, $0.baseAddress, UInt64($0.count)) }
    }
  }
}
