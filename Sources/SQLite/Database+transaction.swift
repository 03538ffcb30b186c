internal import CSQLite

extension Database {
  /// Runs the body in a transaction that has the write lock from its start (BEGIN IMMEDIATE), so that what the body
  /// reads cannot change before it writes. When this returns, all of its changes are on disk; if it throws, none are
  /// made.
  ///
  /// - Throws: busy after the busy timeout, any error of the body, and any error of COMMIT; rolled back in each case.
  package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    try execute(Self.begin)
    do {
      let result = try body()
      try commit()
      return result
    } catch {
      rollback()
      throw error
    }
  }

  /// Begins a transaction with the write lock (BEGIN IMMEDIATE).
  ///
  /// - Returns: false if another connection still has the lock after the busy timeout.
  package func tryBegin() throws(SQLiteError) -> Bool {
    do {
      try execute(Self.begin)
      return true
    } catch let error where error.isBusy {
      return false
    }
  }

  /// Commits the transaction: its changes are on disk when this returns. After an error it is usually still open.
  package func commit() throws(SQLiteError) {
    try execute("COMMIT")
  }

  /// Rolls back the transaction; does nothing outside of one.
  package func rollback() {
    // Some errors (full disk, I/O) have already rolled back.
    guard let handle, sqlite3_get_autocommit(handle) == 0 else { return }
    try? execute("ROLLBACK")
  }

  private static var begin: String { "BEGIN IMMEDIATE" }
}
