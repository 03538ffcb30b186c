import Glibc
import Testing

@testable import SQLite

/// A folder of a test's own with the path of a database in it, removed at the end.
final class TemporaryDatabase {
  let folder: String
  var path: String { folder + "/test.db" }

  init() throws {
    var template = Array("/tmp/sqlite-tests-XXXXXX".utf8CString)
    folder = try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  deinit {
    for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) }
    rmdir(folder)
  }

  func open(busyTimeoutMilliseconds: Int = 0, exclusive: Bool = false) throws -> Database {
    try Database(path: path, busyTimeoutMilliseconds: busyTimeoutMilliseconds, exclusive: exclusive)
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
