internal import CSQLite
import Glibc

/// One connection to an SQLite database. Used by one thread at a time; unchecked because SQLite serialises the calls
/// itself (SQLITE_OPEN_FULLMUTEX), so that even a mistake there breaks no memory.
package final class Database: @unchecked Sendable {
  /// The version of SQLite that runs: `3.40.1`.
  package static var libraryVersion: String { String(cString: sqlite3_libversion()) }

  let path: String
  /// nil once it is closed.
  private(set) var handle: OpaquePointer?

  /// Opens the database, and makes it when there is none, in a folder that exists. WAL, synchronous=FULL (a commit is on
  /// the disk when it returns) and foreign keys are on.
  ///
  /// - Parameters:
  ///   - path: of the file; `:memory:` for none.
  ///   - busyTimeoutMilliseconds: how long a call waits for another connection's lock before it fails as busy.
  ///   - exclusive: keeps the lock while open and does without shared memory, for file systems that have none.
  /// - Throws: SQLITE_CANTOPEN, SQLITE_NOTADB, and busy when another connection keeps its lock.
  package init(path: String, busyTimeoutMilliseconds: Int, exclusive: Bool = false) throws(SQLiteError) {
    self.path = path
    if path.isEmpty || path.utf8.contains(0) {
      // SQLite would open a temporary database for an empty path, and would end the other one at the NUL.
      throw SQLiteError(code: SQLITE_CANTOPEN, message: "not a path", path: path, sql: nil)
    }
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE
    let result = sqlite3_open_v2(path, &handle, flags, nil)
    // A failed open leaves a handle too. All properties are set by now, so a throw releases it through the deinit.
    guard result == SQLITE_OK else { throw error(result, sql: nil) }
    sqlite3_busy_timeout(handle, CInt(clamping: busyTimeoutMilliseconds))
    try configure(exclusive: exclusive, retryingFor: busyTimeoutMilliseconds)
  }

  /// Opens a database that is there, to look at it beside those who use it: nothing of it is changed, and nobody waits.
  ///
  /// While others use it, what they have committed is seen. Where nobody does, or left it in a crash, the file alone is
  /// read, as it is: SQLite's own files beside it would have to be made, and they would be this user's.
  /// - Throws: SQLITE_CANTOPEN, SQLITE_NOTADB, and busy when another connection keeps its lock.
  package init(reading path: String) throws(SQLiteError) {
    self.path = path
    let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE
    let isShared = access(path + "-wal", R_OK) == 0 && access(path + "-shm", R_OK | W_OK) == 0
    let result = sqlite3_open_v2(Self.address(path) + (isShared ? "" : "?immutable=1"), &handle, flags, nil)
    guard result == SQLITE_OK else { throw error(result, sql: nil) }
  }

  /// A path as SQLite reads addresses (sqlite.org/uri.html).
  private static func address(_ path: String) -> String {
    var address = Array("file:".utf8)
    for byte in path.utf8 {
      switch byte {
      case UInt8(ascii: "%"): address += "%25".utf8
      case UInt8(ascii: "?"): address += "%3f".utf8
      case UInt8(ascii: "#"): address += "%23".utf8
      default: address.append(byte)
      }
    }
    return String(decoding: address, as: UTF8.self)
  }

  deinit {
    close()
  }

  /// Runs one or several statements; what they return is dropped.
  package func execute(_ sql: String) throws(SQLiteError) {
    let handle = try open(sql: sql)
    let result = sqlite3_exec(handle, sql, nil, nil, nil)
    if result != SQLITE_OK { throw error(result, sql: sql) }
  }

  /// Compiles one statement, to be kept and run many times. It keeps the database open and is void once that is closed.
  package func prepare(_ sql: String) throws(SQLiteError) -> Statement {
    try Statement(database: self, sql: sql)
  }

  /// The row id of the last successful INSERT of this connection; 0 before the first.
  package var lastInsertedRow: Int64 { handle.map(sqlite3_last_insert_rowid) ?? 0 }

  /// The rows that the last INSERT, UPDATE or DELETE changed.
  var changes: Int { handle.map { Int(sqlite3_changes64($0)) } ?? 0 }

  /// The number that the schema's version is kept in; 0 in a new database.
  package func userVersion() throws(SQLiteError) -> Int {
    try number("PRAGMA user_version")
  }

  /// - Parameter version: 32 bits, signed.
  package func setUserVersion(_ version: Int) throws(SQLiteError) {
    let sql = "PRAGMA user_version = \(version)"
    // SQLite would take another number in silence.
    if Int32(exactly: version) == nil { throw misuse("the version \(version) needs more than 32 bits", sql: sql) }
    try execute(sql)
  }

  /// Looks at every page and index of the database.
  ///
  /// - Returns: the first fault, in SQLite's words; nil where there is none.
  package func integrityFault() throws(SQLiteError) -> String? {
    var fault = ""
    try prepare("PRAGMA integrity_check(1)").rows([]) { (row: Row) throws(SQLiteError) -> Bool in
      fault = row.text(0)
      return false
    }
    return fault == "ok" ? nil : fault
  }

  /// True where the file was removed, or another one stands under its name: what is written here, nobody finds again.
  package var hasMoved: Bool {
    var moved: CInt = 0
    guard let handle, sqlite3_file_control(handle, nil, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK else {
      return false
    }
    return moved != 0
  }

  /// Finalises the statements, rolls back what is open and closes the connection; nothing when it is closed already.
  package func close() {
    guard let open = handle else { return }
    handle = nil
    while let statement = sqlite3_next_stmt(open, nil) { sqlite3_finalize(statement) }
    sqlite3_close_v2(open)
  }
}

extension Database {
  /// The handle of a database that is still open.
  func open(sql: String?) throws(SQLiteError) -> OpaquePointer {
    guard let handle else { throw misuse("the database is closed", sql: sql) }
    return handle
  }

  /// The error of the call that just returned `result`.
  func error(_ result: CInt, sql: String?) -> SQLiteError {
    let text = handle.flatMap { sqlite3_errcode($0) == SQLITE_OK ? nil : sqlite3_errmsg($0) } ?? sqlite3_errstr(result)
    let code = handle.map(sqlite3_extended_errcode) ?? result
    // The connection's code belongs to the last call of all; the result is this one's.
    return SQLiteError(
      code: code & 0xFF == result & 0xFF ? code : result, message: text.map { String(cString: $0) } ?? "unknown error",
      path: path, sql: sql, systemCode: handle.map(sqlite3_system_errno) ?? 0)
  }

  func misuse(_ message: String, sql: String?) -> SQLiteError {
    SQLiteError(code: SQLITE_MISUSE, message: message, path: path, sql: sql)
  }

  private func number(_ sql: String) throws(SQLiteError) -> Int {
    let statement = try prepare(sql)
    var number = 0
    try statement.rows([]) { (row: Row) throws(SQLiteError) -> Bool in
      number = Int(row.integer(0))
      return false
    }
    return number
  }

  private func configure(exclusive: Bool, retryingFor milliseconds: Int) throws(SQLiteError) {
    // Before WAL: only then does SQLite keep the WAL's index in the heap and not in shared memory.
    if exclusive { try execute("PRAGMA locking_mode = EXCLUSIVE") }
    // SQLite does not wait where two connections turn one new database to WAL: it fails at once, against a deadlock.
    // By the clock: where another connection keeps its lock, SQLite has waited for the whole timeout in each attempt.
    let end = ContinuousClock.now + .milliseconds(milliseconds)
    while true {
      do throws(SQLiteError) {
        try turnToWAL()
        break
      } catch {
        if !error.isBusy || ContinuousClock.now >= end { throw error }
        _ = sqlite3_sleep(5)
      }
    }
    try execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
  }

  private func turnToWAL() throws(SQLiteError) {
    let sql = "PRAGMA journal_mode = WAL"
    var mode = ""
    try prepare(sql).rows([]) { (row: Row) throws(SQLiteError) -> Bool in
      mode = row.text(0)
      return false
    }
    // A refusal is an answer, not an error: the mode stays what it was.
    guard ["wal", "memory"].contains(mode) else {
      let message = "the file system allows no write-ahead log, the journal stays \"\(mode)\""
      throw SQLiteError(code: SQLiteError.noSharedMemory, message: message, path: path, sql: sql)
    }
  }
}
