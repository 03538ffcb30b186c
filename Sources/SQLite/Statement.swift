internal import CSQLite

/// A compiled statement, run any number of times: each call binds its values anew and leaves nothing open behind.
/// Used by one thread at a time, the one that uses its database.
package final class Statement {
  private let database: Database
  private let sql: String
  // Not to be touched once the database is closed, which finalises it.
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
    // SQLite compiles the first and leaves the rest in silence.
    if !isWhole { throw database.misuse("only one statement can be prepared", sql: sql) }
  }

  deinit {
    if database.handle != nil { sqlite3_finalize(handle) }
  }

  /// Runs it to its end; rows are dropped.
  package func run(_ values: Value...) throws(SQLiteError) { try run(values) }

  /// Runs it to its end; rows are dropped.
  package func run(_ values: [Value]) throws(SQLiteError) {
    try rows(values) { (_: Row) throws(SQLiteError) -> Bool in true }
  }

  /// Runs it for its first row.
  ///
  /// - Parameter row: valid within the closure only.
  /// - Returns: nil when there is no row.
  package func first<T>(_ values: Value..., row: (Row) throws -> T) throws -> T? { try first(values, row: row) }

  /// Runs it for its first row.
  func first<T>(_ values: [Value], row: (Row) throws -> T) throws -> T? {
    var found: T?
    try rows(values) {
      found = try row($0)
      return false
    }
    return found
  }

  /// Runs it for each of its rows.
  ///
  /// - Parameter row: valid within the closure only; false stops.
  package func each(_ values: Value..., row: (Row) throws -> Bool) throws { try rows(values, row) }

  /// Runs it for each of its rows.
  package func each(_ values: [Value], row: (Row) throws -> Bool) throws { try rows(values, row) }
}

extension Statement {
  /// Generic over the body's error, so that a body which throws SQLiteError only keeps that.
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
    // Its own rows would change under the loop that reads them.
    if isRunning { throw database.misuse("the statement is run within its own rows", sql: sql) }
    let wanted = Int(sqlite3_bind_parameter_count(handle))
    // SQLite would leave what is missing NULL, or what the last run bound.
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

  /// Releases the locks of a read and the memory of the values. Its result is what ending a run early met.
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
