import TestSupport
import Testing

@testable import SQLite

@Suite struct StatementTests {
  let temporary: TestDatabase
  let database: Database
  init() throws {
    temporary = TestDatabase()
    database = try temporary.open()
    try database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
  }

  /// A stored value as it comes back: SQLite's type, and the number of equal values.
  private func stored(_ value: Statement.Value) throws -> String? {
    try database.prepare("INSERT INTO t (v) VALUES (?)").run(value)
    return try database.prepare("SELECT typeof(v) FROM t WHERE id = ?").first(.integer(database.lastInsertedRow)) {
      $0.text(0)
    }
  }

  private func last<T>(_ read: (Row) throws -> T) throws -> T? {
    try database.prepare("SELECT v FROM t ORDER BY id DESC LIMIT 1").first(row: read)
  }

  @Test("integers come back", arguments: [Int64.min, -1, 0, 1, Int64.max])
  func integersComeBack(value: Int64) throws {
    #expect(try stored(.integer(value)) == "integer")
    #expect(try last { $0.integer(0) } == value)
  }

  @Test("reals come back", arguments: [0.1, -1e300, Double.leastNonzeroMagnitude, Double.infinity])
  func realsComeBack(value: Double) throws {
    #expect(try stored(.real(value)) == "real")
    #expect(try last { $0.real(0) } == value)
  }

  @Test("texts come back with their NULs", arguments: ["", "cat/001.jpg", "Zoë 🐱 猫", "before\0after", "\0"])
  func textsComeBackWithNULs(value: String) throws {
    #expect(try stored(.text(value)) == "text")
    #expect(try last { $0.text(0) } == value)
    #expect(try last { $0.isNull(0) } == false)
  }

  @Test(
    "blobs come back, and an empty one is not null",
    arguments: [[], [0], [0xFF, 0, 0xFE], [UInt8](repeating: 7, count: 100_000)])
  func blobsComeBack(value: [UInt8]) throws {
    #expect(try stored(.blob(value)) == "blob")
    #expect(try last { $0.blob(0) } == value)
    #expect(try last { $0.isNull(0) } == false)
  }

  @Test("null comes back as null and reads as an empty value") func nullComesBack() throws {
    #expect(try stored(nil) == "null")
    #expect(try last { $0.isNull(0) && $0.text(0).isEmpty && $0.blob(0).isEmpty && $0.integer(0) == 0 } == true)
  }

  @Test("literals are values") func literalsAreValues() throws {
    let values: [Statement.Value] = [nil, 1, 1.5, "a"]
    #expect(values == [.null, .integer(1), .real(1.5), .text("a")])
  }

  @Test("each call binds a statement's values afresh") func eachCallBindsAfresh() throws {
    let insert = try database.prepare("INSERT INTO t (v) VALUES (?)")
    for value in 1...3 { try insert.run(.integer(Int64(value))) }
    try insert.run([.text("x")])
    var values: [String] = []
    try database.prepare("SELECT v FROM t WHERE id > ? ORDER BY id").each(1) {
      values.append($0.text(0))
      return true
    }
    #expect(values == ["2", "3", "x"])
    #expect(database.changes == 1 && database.lastInsertedRow == 4)
  }

  @Test("the caller may stop the rows") func callerMayStopRows() throws {
    for value in 1...5 { try database.execute("INSERT INTO t (v) VALUES (\(value))") }
    let select = try database.prepare("SELECT v FROM t ORDER BY id")
    var count = 0
    try select.each { _ in
      count += 1
      return count < 2
    }
    #expect(count == 2)
    #expect(try select.first { $0.integer(0) } == 1)
    #expect(try database.prepare("SELECT v FROM t WHERE id = 99").first { $0.integer(0) } == nil)
  }

  @Test("an error in a row is passed on and leaves nothing open") func errorInRowIsPassedOn() throws {
    struct Stop: Error {}
    try database.execute("INSERT INTO t (v) VALUES (1), (2)")
    let select = try database.prepare("SELECT v FROM t")
    #expect(throws: Stop.self) { try select.each { _ in throw Stop() } }
    #expect(throws: Stop.self) { try select.first { _ in throw Stop() } }
    // An open read would forbid this.
    try database.execute("DROP TABLE t")
  }

  @Test("a statement with RETURNING changes all its rows") func returningChangesAllRows() throws {
    let insert = try database.prepare("INSERT INTO t (v) VALUES (1), (2), (3) RETURNING id")
    #expect(try insert.first { $0.integer(0) } == 1)
    #expect(try database.prepare("SELECT count(*) FROM t").first { $0.integer(0) } == 3)
  }

  @Test("a missing or superfluous value is an error") func valueCountMustMatch() throws {
    let insert = try database.prepare("INSERT INTO t (id, v) VALUES (?, ?)")
    #expect(failure { try insert.run(1) }?.message == "1 values for 2 parameters")
    #expect(failure { try insert.run(1, 2, 3) }?.message == "3 values for 2 parameters")
    try insert.run(1, 2)
  }

  @Test("a statement cannot run inside its own rows") func statementIsNotReentrant() throws {
    try database.execute("INSERT INTO t (v) VALUES (1)")
    let select = try database.prepare("SELECT v FROM t")
    let error = failure { try select.each { _ in try select.first { _ in true } ?? false } }
    #expect(error?.message == "the statement is run within its own rows")
    #expect(try select.first { $0.integer(0) } == 1)
  }

  @Test("only one whole statement is prepared") func oneStatementIsPrepared() throws {
    #expect(failure { _ = try database.prepare("SELECT 1; SELECT 2") }?.message == "only one statement can be prepared")
    #expect(failure { _ = try database.prepare("") } != nil)
    #expect(try database.prepare("SELECT 1;\n ").first { $0.integer(0) } == 1)
    let error = failure { _ = try database.prepare("SELEKT 1") }
    #expect(error?.code == 1 && error?.sql == "SELEKT 1")  // SQLITE_ERROR
  }

  @Test("a violated constraint names its statement, and the next run works") func constraintErrorNamesStatement() throws
  {
    try database.execute("CREATE TABLE u (name TEXT NOT NULL UNIQUE)")
    let insert = try database.prepare("INSERT INTO u VALUES (?)")
    try insert.run("a")
    let error = failure { try insert.run("a") }
    #expect(error?.code == 2067)  // SQLITE_CONSTRAINT_UNIQUE
    #expect(error?.sql == "INSERT INTO u VALUES (?)" && error?.message.contains("u.name") == true)
    #expect(error?.isBusy == false && error?.disposition == .badInput)
    try insert.run("b")
  }
}
