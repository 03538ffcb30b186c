internal import CSQLite

extension Database {
  /// Runs the body in a transaction that has the write lock from its start (BEGIN IMMEDIATE), so that what it reads
  /// cannot change before it writes. All of it is on the disk when this returns, or nothing of it is done.
  ///
  /// - Throws: busy after the busy timeout, whatever the body throws, and what COMMIT throws; rolled back in each case.
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
  /// - Returns: false when another connection still has it after the busy timeout.
  package func tryBegin() throws(SQLiteError) -> Bool {
    do {
      try execute(Self.begin)
      return true
    } catch let error where error.isBusy {
      return false
    }
  }

  /// Ends the transaction: its changes are on the disk when this returns. After an error it is still open, as a rule.
  package func commit() throws(SQLiteError) {
    try execute("COMMIT")
  }

  /// Undoes the transaction; nothing outside of one.
  package func rollback() {
    // Some errors (full disk, I/O) have rolled back already.
    guard let handle, sqlite3_get_autocommit(handle) == 0 else { return }
    try? execute("ROLLBACK")
  }

  private static var begin: String { "BEGIN IMMEDIATE" }
}
