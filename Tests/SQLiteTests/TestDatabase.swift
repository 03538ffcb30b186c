import TestSupport

@testable import SQLite

/// The path of a database in a temporary folder.
final class TestDatabase {
  let folder = TestFolder()
  var path: String { folder / "test.db" }

  func open(busyTimeout: Duration = .zero, exclusive: Bool = false) throws -> Database {
    try Database(path: path, busyTimeout: busyTimeout, exclusive: exclusive)
  }
}

/// The error that the body throws.
func failure(_ body: () throws -> Void) -> SQLiteError? {
  do {
    try body()
    return nil
  } catch {
    return error as? SQLiteError
  }
}
