internal import CSQLite

/// A compiled statement that can run any number of times. Each run binds its values again and leaves nothing open. Used
/// by one thread at a time, the one that uses its database.
package final class Statement {
  private let database: Database
  private let sql: String
  // Must not be used once the database is closed, which finalises it.
  private let handle: OpaquePointer
  private var isRunning = false

  init(database: Database, sql: String) throws(SQLiteError) {
    let connection = try database.open(sql: sql)
    self.database = database
    self.sql = sql
    var handle: OpaquePointer?
    var isWhole = true
    var text = sql
    let result = text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { characters in
        var tail: UnsafePointer<CChar>?
        let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
        let result = sqlite3_prepare_v3(
          connection, characters.baseAddress, CInt(clamping: characters.count), flags, &handle, &tail)
        if let tail, let end = characters.baseAddress.map({ $0 + characters.count }) {
          isWhole = UnsafeBufferPointer(start: tail, count: end - tail).allSatisfy(Self.isBlank)
        }
        return result
      }
    }
    guard result == SQLITE_OK else { throw database.error(result, sql: sql) }
    guard let handle else { throw database.misuse("there is no statement", sql: sql) }
    self.handle = handle
    // SQLite compiles the first statement and silently ignores the rest.
    if !isWhole { throw database.misuse("only one statement can be prepared", sql: sql) }
  }

  deinit {
    if database.handle != nil { sqlite3_finalize(handle) }
  }

  /// Runs the statement to its end and discards its rows.
  package func run(_ values: Value...) throws(SQLiteError) { try run(values) }

  /// Runs the statement to its end and discards its rows.
  package func run(_ values: [Value]) throws(SQLiteError) {
    try rows(values) { (_: Row) throws(SQLiteError) -> Bool in true }
  }

  /// Runs the statement for its first row.
  ///
  /// - Parameter row: receives the row, which is valid only within the closure.
  /// - Returns: nil if there is no row.
  package func first<T>(_ values: Value..., row: (Row) throws -> T) throws -> T? { try first(values, row: row) }

  /// Runs the statement for its first row.
  func first<T>(_ values: [Value], row: (Row) throws -> T) throws -> T? {
    var found: T?
    try rows(values) {
      found = try row($0)
      return false
    }
    return found
  }

  /// Runs the statement for each of its rows.
  ///
  /// - Parameter row: receives a row, which is valid only within the closure; false stops.
  package func each(_ values: Value..., row: (Row) throws -> Bool) throws { try rows(values, row) }

  /// Runs the statement for each of its rows.
  package func each(_ values: [Value], row: (Row) throws -> Bool) throws { try rows(values, row) }
}

extension Statement {
  /// Generic over the error, so that a body that throws only SQLiteError keeps that type.
  func rows(_ values: [Value], _ body: (Row) throws(SQLiteError) -> Bool) throws(SQLiteError) {
    try start(values)
    do throws(SQLiteError) {
      while try step() {
        if try !body(Row(statement: handle)) { break }
      }
    } catch {
      _ = finish()
      throw error
    }
    try check(finish())
  }

  private func rows(_ values: [Value], _ body: (Row) throws -> Bool) throws {
    try start(values)
    do {
      while try step() {
        if try !body(Row(statement: handle)) { break }
      }
    } catch {
      _ = finish()
      throw error
    }
    try check(finish())
  }

  private func start(_ values: [Value]) throws(SQLiteError) {
    _ = try database.open(sql: sql)
    // Its rows would change under the loop that reads them.
    if isRunning { throw database.misuse("the statement is run within its own rows", sql: sql) }
    let wanted = Int(sqlite3_bind_parameter_count(handle))
    // For missing values, SQLite would use NULL or the values of the last run.
    if values.count != wanted {
      throw database.misuse("\(values.count) values for \(wanted) parameters", sql: sql)
    }
    for (index, value) in values.enumerated() {
      let result = value.bind(to: handle, at: CInt(index + 1))
      if result != SQLITE_OK {
        sqlite3_clear_bindings(handle)
        throw database.error(result, sql: sql)
      }
    }
    isRunning = true
  }

  /// - Returns: whether there is a row.
  private func step() throws(SQLiteError) -> Bool {
    // The body of a row may have closed the database.
    _ = try database.open(sql: sql)
    switch sqlite3_step(handle) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    case let result: throw database.error(result, sql: sql)
    }
  }

  /// Releases the read locks and the memory of the values. Returns the error that the run had, or that ending it early
  /// met.
  private func finish() -> CInt {
    isRunning = false
    if database.handle == nil { return SQLITE_OK }
    let result = sqlite3_reset(handle)
    sqlite3_clear_bindings(handle)
    return result
  }

  private static func isBlank(_ character: CChar) -> Bool {
    character == UInt8(ascii: ";") || (0...0x20).contains(character)
  }

  private func check(_ result: CInt) throws(SQLiteError) {
    if result != SQLITE_OK { throw database.error(result, sql: sql) }
  }
}
