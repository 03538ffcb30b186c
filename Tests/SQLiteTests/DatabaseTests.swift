import Dispatch
import Glibc
import TestSupport
import Testing

@testable import SQLite

@Suite struct DatabaseTests {
  let temporary: TestDatabase
  init() throws { temporary = TestDatabase() }

  private func number(_ database: Database, _ sql: String) throws -> Int64? {
    try database.prepare(sql).first { $0.integer(0) }
  }

  /// This process's descriptors of the file.
  private func openFiles(at path: String) throws -> Int {
    var file = stat()
    try #require(stat(path, &file) == 0)
    return (0..<1024).count { descriptor in
      var status = stat()
      return fstat(CInt(descriptor), &status) == 0 && status.st_ino == file.st_ino && status.st_dev == file.st_dev
    }
  }

  private func files() throws -> [String] {
    let stream = try #require(opendir(temporary.folder.path))
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names.filter { !$0.hasPrefix(".") }.sorted()
  }

  @Test("a reading connection sees commits and changes nothing") func readerChangesNothing() throws {
    let writer = try temporary.open()
    try writer.execute("CREATE TABLE numbers (value); INSERT INTO numbers VALUES (1)")
    let reader = try Database(reading: temporary.path)
    #expect(try number(reader, "SELECT value FROM numbers") == 1)
    // Next to an open transaction.
    try writer.execute("BEGIN IMMEDIATE; UPDATE numbers SET value = 2")
    #expect(try number(reader, "SELECT value FROM numbers") == 1)
    try writer.execute("COMMIT")
    #expect(try number(reader, "SELECT value FROM numbers") == 2)
    #expect(throws: SQLiteError.self) { try reader.execute("UPDATE numbers SET value = 3") }
    reader.close()
    writer.close()

    let before = try files()
    #expect(before == ["test.db"])
    let alone = try Database(reading: temporary.path)
    #expect(try number(alone, "SELECT value FROM numbers") == 2)
    alone.close()
    #expect(try files() == before)
  }

  @Test("a reading connection leaves a crashed database as it is") func readerLeavesCrashedState() throws {
    let writer = try temporary.open()
    try writer.execute("CREATE TABLE numbers (value); INSERT INTO numbers VALUES (1)")
    // As after a crash: the log exists, and nobody has it open.
    let copy = temporary.folder / "copy?a%b#\u{E9}.db"
    defer { for suffix in ["", "-wal", "-shm"] { unlink(copy + suffix) } }
    for suffix in ["", "-wal", "-shm"] { try duplicate(temporary.path + suffix, copy + suffix) }
    let before = try files()
    let reader = try Database(reading: copy)
    #expect(try number(reader, "SELECT value FROM numbers") == 1)
    reader.close()
    #expect(try files() == before)
  }

  private func duplicate(_ from: String, _ to: String) throws {
    let source = open(from, O_RDONLY)
    let target = open(to, O_WRONLY | O_CREAT | O_EXCL, 0o644)
    try #require(source >= 0 && target >= 0)
    defer {
      close(source)
      close(target)
    }
    var bytes = [UInt8](repeating: 0, count: 4 << 20)
    let count = read(source, &bytes, bytes.count)
    try #require(write(target, bytes, count) == count)
  }

  @Test("a reading connection creates no database") func readerCreatesNoDatabase() throws {
    let refused = failure { _ = try Database(reading: temporary.path) }
    #expect(refused?.name == "SQLITE_CANTOPEN", "\(String(describing: refused))")
    #expect(try files() == [])
  }

  @Test("a database is durable and checks its foreign keys") func databaseIsDurable() throws {
    let database = try temporary.open()
    #expect(try database.prepare("PRAGMA journal_mode").first { $0.text(0) } == "wal")
    #expect(try number(database, "PRAGMA synchronous") == 2)
    #expect(try number(database, "PRAGMA foreign_keys") == 1)
    try database.execute("CREATE TABLE t (v)")
    #expect(access(temporary.path + "-wal", F_OK) == 0 && access(temporary.path + "-shm", F_OK) == 0)
  }

  @Test("rows of one connection are read by the next") func nextConnectionReadsRows() throws {
    let first = try temporary.open()
    try first.execute("CREATE TABLE t (v); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)")
    try first.setUserVersion(7)
    first.close()
    let second = try temporary.open()
    #expect(try number(second, "SELECT sum(v) FROM t") == 3)
    #expect(try second.userVersion() == 7)
    #expect(failure { try second.setUserVersion(1 << 40) } != nil)
    #expect(try second.userVersion() == 7)
  }

  @Test("a second connection is busy while the first writes") func secondWriterIsBusy() throws {
    let first = try temporary.open()
    let second = try temporary.open()
    #expect(try first.tryBegin())
    #expect(try second.tryBegin() == false)
    let error = failure { try second.execute("CREATE TABLE t (v)") }
    #expect(error?.isBusy == true && error?.disposition == .transient)
    #expect(error?.description.contains(temporary.path) == true)
    #expect(error?.cure != nil)
    try first.commit()
    #expect(try second.tryBegin())
    second.rollback()
  }

  @Test("a busy connection waits for its time-out") func busyConnectionWaits() throws {
    let first = try temporary.open()
    let second = try temporary.open(busyTimeout: .seconds(20))
    #expect(try first.tryBegin())
    let done = DispatchSemaphore(value: 0)
    DispatchQueue(label: "test").async {
      if (try? second.tryBegin()) == true { done.signal() }
    }
    #expect(done.wait(timeout: .now() + .milliseconds(30)) == .timedOut)
    first.rollback()
    #expect(done.wait(timeout: .now() + 20) == .success)
    second.rollback()
  }

  @Test("a stale read that becomes a write fails as busy snapshot") func staleReadIsBusySnapshot() throws {
    let first = try temporary.open()
    try first.execute("CREATE TABLE t (v); INSERT INTO t VALUES (1)")
    let second = try temporary.open()
    try second.execute("BEGIN")
    #expect(try number(second, "SELECT v FROM t") == 1)
    try first.execute("INSERT INTO t VALUES (2)")
    let error = failure { try second.execute("INSERT INTO t VALUES (3)") }
    #expect(error?.code == 517)  // SQLITE_BUSY_SNAPSHOT
    #expect(error?.isBusy == true)
    second.rollback()
  }

  @Test("a transaction that throws is undone") func throwingTransactionIsUndone() throws {
    struct Stop: Error {}
    let database = try temporary.open()
    try database.execute("CREATE TABLE t (v)")
    #expect(throws: Stop.self) {
      try database.transaction {
        try database.execute("INSERT INTO t VALUES (1)")
        throw Stop()
      }
    }
    #expect(try number(database, "SELECT count(*) FROM t") == 0)
    let result = try database.transaction {
      try database.execute("INSERT INTO t VALUES (1)")
      return "done"
    }
    #expect(result == "done")
    #expect(try number(temporary.open(), "SELECT count(*) FROM t") == 1)
  }

  @Test("a failed commit is undone") func failedCommitIsUndone() throws {
    let database = try temporary.open()
    try database.execute(
      "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
    let error = failure { try database.transaction { try database.execute("INSERT INTO b VALUES (9)") } }
    #expect(error?.code == 787)  // SQLITE_CONSTRAINT_FOREIGNKEY
    #expect(try number(database, "SELECT count(*) FROM b") == 0)
    #expect(try database.tryBegin())
    database.rollback()
    database.rollback()
  }

  @Test("a nested transaction is an error and undoes both") func nestedTransactionIsAnError() throws {
    let database = try temporary.open()
    try database.execute("CREATE TABLE t (v)")
    let error = failure {
      try database.transaction {
        try database.execute("INSERT INTO t VALUES (1)")
        try database.transaction {}
      }
    }
    #expect(error?.message.contains("within a transaction") == true)
    #expect(try number(database, "SELECT count(*) FROM t") == 0)
  }

  @Test("statements end with their database") func statementsEndWithDatabase() throws {
    let database = try temporary.open()
    try database.execute("CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)")
    let select = try database.prepare("SELECT v FROM t")
    let error = failure {
      try select.each { _ in
        database.close()
        return true
      }
    }
    #expect(error?.message == "the database is closed")
    #expect(failure { try select.run() }?.message == "the database is closed")
    #expect(failure { try database.execute("SELECT 1") }?.message == "the database is closed")
    database.close()
    // The last connection removes the log, unless a statement is still alive.
    #expect(access(temporary.path + "-wal", F_OK) != 0)
  }

  @Test("a statement keeps its database open") func statementKeepsDatabaseOpen() throws {
    let select = try temporary.open().prepare("SELECT 5")
    #expect(try select.first { $0.integer(0) } == 5)
  }

  @Test("an exclusive connection uses no shared memory and is alone") func exclusiveConnectionIsAlone() throws {
    let database = try temporary.open(exclusive: true)
    try database.execute("CREATE TABLE t (v)")
    #expect(access(temporary.path + "-wal", F_OK) == 0)
    #expect(access(temporary.path + "-shm", F_OK) != 0)
    #expect(failure { _ = try temporary.open() }?.isBusy == true)
    database.close()
    _ = try temporary.open()
  }

  @Test("connections that create one database at the same time all succeed") func parallelCreationSucceeds() throws {
    let (path, failures) = (temporary.path, DispatchSemaphore(value: 0))
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      do {
        let database = try Database(path: path, busyTimeout: .seconds(20))
        try database.transaction { try database.execute("CREATE TABLE IF NOT EXISTS t (v); INSERT INTO t VALUES (1)") }
      } catch {
        Issue.record(error)
        failures.signal()
      }
    }
    #expect(failures.wait(timeout: .now()) == .timedOut)
    #expect(try number(temporary.open(), "SELECT count(*) FROM t") == 8)
  }

  @Test("a path that no database can have is an error of the host") func impossiblePathIsHostError() throws {
    let error = failure { _ = try Database(path: temporary.folder / "none/a.db", busyTimeout: .zero) }
    #expect(error?.name == "SQLITE_CANTOPEN" && error?.disposition == .needsPerson && error?.cure != nil)
    #expect(error?.description.contains("/none/a.db") == true)
    #expect(failure { _ = try Database(path: "", busyTimeout: .zero) } != nil)
    #expect(failure { _ = try Database(path: temporary.path + "\0x", busyTimeout: .zero) } != nil)
  }

  @Test("a file that is no database is named with its fix") func otherFileIsNamedWithFix() throws {
    let descriptor = open(temporary.path, O_CREAT | O_WRONLY, 0o600)
    let text = String(repeating: "not a database ", count: 100)
    try #require(write(descriptor, text, text.utf8.count) > 0)
    close(descriptor)
    let error = failure { _ = try temporary.open() }
    #expect(error?.name == "SQLITE_NOTADB" && error?.disposition == .final)
    #expect(error?.cure?.contains("-wal") == true)
    #expect(try openFiles(at: temporary.path) == 0)
  }
}
