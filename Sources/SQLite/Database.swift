internal import CSQLite
import Glibc
import Platform

/// One connection to an SQLite database. Used by one thread at a time. `@unchecked` because SQLite serialises the calls
/// itself (SQLITE_OPEN_FULLMUTEX), so that even a mistake there corrupts no memory.
package final class Database: @unchecked Sendable {
  /// The version of the loaded SQLite: `3.40.1`.
  package static var libraryVersion: String { String(cString: sqlite3_libversion()) }

  let path: String
  /// When the main file was changed last, if only that is read.
  private var changed = timespec()
  /// nil once it is closed.
  private(set) var handle: OpaquePointer?
  /// Whether the connection reads only the main file, as it was when it was opened. Then it does not see later changes,
  /// and must be opened again after them.
  package let isSnapshot: Bool

  /// Opens the database, and creates it if it does not exist; its folder must exist. WAL, synchronous=FULL (a commit is
  /// on disk when it returns) and foreign keys are on.
  ///
  /// - Parameters:
  ///   - path: of the file; `:memory:` for a database without one.
  ///   - busyTimeout: how long a call waits for another connection's lock before it fails as busy.
  ///   - exclusive: keeps the lock while open and uses no shared memory, for file systems that do not support it.
  /// - Throws: SQLITE_CANTOPEN, SQLITE_NOTADB, and busy if another connection keeps its lock.
  package init(path: String, busyTimeout: Duration, exclusive: Bool = false) throws(SQLiteError) {
    self.path = path
    isSnapshot = false
    if path.isEmpty || path.utf8.contains(0) {
      // SQLite would open a temporary database for an empty path, and would cut the other path at the NUL.
      throw SQLiteError(code: SQLITE_CANTOPEN, message: "not a path", path: path, sql: nil)
    }
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE
    let result = sqlite3_open_v2(path, &handle, flags, nil)
    // A failed open leaves a handle too. All properties are set by now, so a throw releases the handle through deinit.
    guard result == SQLITE_OK else { throw error(result, sql: nil) }
    sqlite3_busy_timeout(handle, CInt(clamping: busyTimeout.inMilliseconds))
    try configure(exclusive: exclusive, retryingFor: busyTimeout)
  }

  /// Opens an existing database for reading, next to the connections that use it. It changes nothing and makes nobody
  /// wait.
  ///
  /// If `-wal` and `-shm` files can be read, everything that other connections have committed is visible. That holds
  /// on a read-only mount, too. Otherwise, as when nobody uses the database and no crash left those files, only the main
  /// file is read, as it is: SQLite would have to create those files, and this user would own them.
  /// - Throws: SQLITE_CANTOPEN, SQLITE_NOTADB, and busy if another connection keeps its lock.
  package init(reading path: String) throws(SQLiteError) {
    self.path = path
    isSnapshot = !Self.isShared(path)
    let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE
    let result = sqlite3_open_v2(Self.address(path) + (isSnapshot ? "?immutable=1" : ""), &handle, flags, nil)
    guard result == SQLITE_OK else { throw error(result, sql: nil) }
    var status = stat()
    if isSnapshot, stat(path, &status) == 0 { changed = status.st_mtim }
  }

  /// - Throws: `UnseenCommits` if this connection, which was opened `reading`, has only the main file, and others have
  ///   committed since, or more.
  package func checkSight() throws(UnseenCommits) {
    var (log, main) = (stat(), stat())
    guard isSnapshot, stat(path, &main) == 0 else { return }
    let hasLog = stat(path + "-wal", &log) == 0 && log.st_size > 0
    if hasLog || main.st_mtim.tv_sec != changed.tv_sec || main.st_mtim.tv_nsec != changed.tv_nsec {
      throw UnseenCommits(path: path)
    }
  }

  /// Whether a connection for reading would see what other connections have committed.
  package static func isShared(_ path: String) -> Bool {
    access(path + "-wal", R_OK) == 0 && access(path + "-shm", R_OK) == 0
  }

  /// A path as an SQLite URI (sqlite.org/uri.html).
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

  /// Runs one or more statements and discards their rows.
  package func execute(_ sql: String) throws(SQLiteError) {
    let handle = try open(sql: sql)
    let result = sqlite3_exec(handle, sql, nil, nil, nil)
    if result != SQLITE_OK { throw error(result, sql: sql) }
  }

  /// Compiles one statement, to be kept and run many times. It keeps the database alive and cannot run once that is
  /// closed.
  package func prepare(_ sql: String) throws(SQLiteError) -> Statement {
    try Statement(database: self, sql: sql)
  }

  /// The row id of this connection's last successful INSERT; 0 before the first.
  package var lastInsertedRow: Int64 { handle.map(sqlite3_last_insert_rowid) ?? 0 }

  /// The number of rows that the last INSERT, UPDATE or DELETE changed.
  var changes: Int { handle.map { Int(sqlite3_changes64($0)) } ?? 0 }

  /// The version of the schema, as stored in the database; 0 in a new one.
  package func userVersion() throws(SQLiteError) -> Int {
    try number("PRAGMA user_version")
  }

  /// - Parameter version: 32 bits, signed.
  package func setUserVersion(_ version: Int) throws(SQLiteError) {
    let sql = "PRAGMA user_version = \(version)"
    // SQLite would silently store another number.
    if Int32(exactly: version) == nil { throw misuse("the version \(version) needs more than 32 bits", sql: sql) }
    try execute(sql)
  }

  /// Checks every page and index of the database.
  ///
  /// - Returns: the first fault, in SQLite's words; nil if there is none.
  package func integrityFault() throws(SQLiteError) -> String? {
    var fault = ""
    try prepare("PRAGMA integrity_check(1)").rows([]) { (row: Row) throws(SQLiteError) -> Bool in
      fault = row.text(0)
      return false
    }
    return fault == "ok" ? nil : fault
  }

  /// True if the file was removed or another file has its name: nobody will find what is written here.
  package var hasMoved: Bool {
    var moved: CInt = 0
    guard let handle, sqlite3_file_control(handle, nil, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK else {
      return false
    }
    return moved != 0
  }

  /// Finalises the statements, rolls back an open transaction and closes the connection. Does nothing if it is already
  /// closed.
  package func close() {
    guard let open = handle else { return }
    handle = nil
    while let statement = sqlite3_next_stmt(open, nil) { sqlite3_finalize(statement) }
    sqlite3_close_v2(open)
  }
}

/// A reading connection does not see the newest commits. What it reads is old, and may be inconsistent.
package struct UnseenCommits: Error, CustomStringConvertible {
  let path: String
  package var description: String {
    "the newest changes in \(path) cannot be read: \(path)-shm is missing or not writable here, or a program has just begun "
      + "to use it. Try again. If that does not help, run this as that program's user, with the folder mounted writable, or "
      + "stop that program. If it was killed, start it first"
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
    // The connection's code belongs to the latest call of all; `result` belongs to this one.
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

  private func configure(exclusive: Bool, retryingFor duration: Duration) throws(SQLiteError) {
    // Before WAL: only then does SQLite keep the WAL's index in the heap instead of shared memory.
    if exclusive { try execute("PRAGMA locking_mode = EXCLUSIVE") }
    // If two connections switch one new database to WAL, SQLite does not wait: it fails at once to avoid a deadlock.
    // The retries are limited by time, not by count: if another connection keeps its lock, SQLite has waited for the
    // whole timeout in each attempt.
    let end = MonotonicClock.now + duration
    while true {
      do throws(SQLiteError) {
        try turnToWAL()
        break
      } catch {
        if !error.isBusy || MonotonicClock.now >= end { throw error }
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
    // A refusal is a result, not an error: the mode stays unchanged.
    guard ["wal", "memory"].contains(mode) else {
      let message = "the file system allows no write-ahead log, the journal stays \"\(mode)\""
      throw SQLiteError(code: SQLiteError.noSharedMemory, message: message, path: path, sql: sql)
    }
  }
}
