import Platform
import SQLite
import Synchronization

/// What has been sent: a file counts once the broker has acknowledged all of it and the ledger has it.
///
/// SQLite in the producer's state folder. A ledger's lines belong to a scope: cluster, topic and input folder.
/// Safe to be used by several threads.
final class Ledger: Sendable {
  static let fileName = "ledger.sqlite"
  private static let version = 1

  // Two, because a line is read for each file of a scan, and must not wait for the sync of a transaction.
  private let path: String
  private let reader: Mutex<Connection>
  private let writer: Mutex<Connection>

  struct Line: Equatable {
    let stamp: FileStamp
    let digest: Digest
  }

  /// - Parameter folder: made where it is missing.
  init(in folder: String, cluster: String, topic: String, input: String) throws {
    _ = try Folder.create(folder)
    let path = folder + "/" + Self.fileName
    self.path = path
    do {
      writer = Mutex(try Connection(path, cluster: cluster, topic: topic, input: input))
      reader = Mutex(try Connection(path, cluster: cluster, topic: topic, input: input))
    } catch { throw LedgerError.of(error, path: path) }
  }

  private func using<T: Sendable>(_ connection: borrowing Mutex<Connection>, _ body: (Connection) throws -> T) throws
    -> T
  {
    do { return try connection.withLock { try body($0) } } catch { throw LedgerError.of(error, path: path) }
  }

  func line(_ path: String) throws -> Line? { try using(reader) { try $0.line(path) } }

  /// Records files and, for each partition, the last acknowledged offset, in one durable transaction.
  func record(_ lines: [(path: String, line: Line)], offsets: [Int32: Int64]) throws {
    try using(writer) { try $0.record(lines, offsets) }
  }

  /// Forgets files that are no longer in the input folder.
  func remove(_ paths: [String]) throws { try using(writer) { try $0.remove(paths) } }

  /// Forgets the whole scope.
  func forget() throws { try using(writer) { try $0.forget() } }

  /// The last acknowledged offset of each partition.
  func offsets() throws -> [Int32: Int64] { try using(writer) { try $0.offsets() } }

  private final class Connection {
    private let file: String
    private let database: Database
    private let scope: Int64
    private let select: Statement
    private let replace: Statement
    private let delete: Statement
    private let replaceOffset: Statement

    init(_ path: String, cluster: String, topic: String, input: String) throws {
      file = path
      database = try Database(path: path, busyTimeoutMilliseconds: 10_000)
      scope = try database.transaction { [database] in
        switch try database.userVersion() {
        case 0:
          try database.execute(
            """
            CREATE TABLE scopes (
              id INTEGER PRIMARY KEY, cluster TEXT NOT NULL, topic TEXT NOT NULL, input TEXT NOT NULL,
              UNIQUE (cluster, topic, input)
            );
            CREATE TABLE files (
              scope INTEGER NOT NULL REFERENCES scopes, path TEXT NOT NULL, size INTEGER NOT NULL,
              modified INTEGER NOT NULL, inode INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (scope, path)
            ) WITHOUT ROWID;
            CREATE TABLE offsets (
              scope INTEGER NOT NULL REFERENCES scopes, partition INTEGER NOT NULL, last INTEGER NOT NULL,
              PRIMARY KEY (scope, partition)
            ) WITHOUT ROWID;
            """)
          try database.setUserVersion(Ledger.version)
        case Ledger.version: break
        case let other: throw LedgerError.foreignVersion(other, path: path)
        }
        try database.prepare("INSERT OR IGNORE INTO scopes (cluster, topic, input) VALUES (?, ?, ?)")
          .run(.text(cluster), .text(topic), .text(input))
        return try database.prepare("SELECT id FROM scopes WHERE cluster = ? AND topic = ? AND input = ?")
          .first(.text(cluster), .text(topic), .text(input)) { $0.integer(0) }!
      }
      select = try database.prepare("SELECT size, modified, inode, digest FROM files WHERE scope = ? AND path = ?")
      replace = try database.prepare("REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)")
      delete = try database.prepare("DELETE FROM files WHERE scope = ? AND path = ?")
      replaceOffset = try database.prepare("REPLACE INTO offsets VALUES (?, ?, ?)")
    }

    func line(_ path: String) throws -> Line? {
      try select.first(.integer(scope), .text(path)) { row in
        guard let digest = Digest(bytes: row.blob(3)) else {
          throw LedgerError.damaged(path: file, reason: "the hash of \(path) is none")
        }
        return Line(
          stamp: FileStamp(
            size: Int(row.integer(0)), modified: row.integer(1), inode: UInt64(bitPattern: row.integer(2))),
          digest: digest)
      }
    }

    func record(_ lines: [(path: String, line: Line)], _ offsets: [Int32: Int64]) throws {
      try database.transaction {
        for (path, line) in lines {
          try replace.run(
            .integer(scope), .text(path), .integer(Int64(line.stamp.size)), .integer(line.stamp.modified),
            .integer(Int64(bitPattern: line.stamp.inode)), .blob(line.digest.bytes))
        }
        for (partition, offset) in offsets {
          try replaceOffset.run(.integer(scope), .integer(Int64(partition)), .integer(offset))
        }
        FaultPoint.ledgerWritten.reached()
      }
    }

    func remove(_ paths: [String]) throws {
      try database.transaction { for path in paths { try delete.run(.integer(scope), .text(path)) } }
    }

    func forget() throws {
      try database.transaction {
        for table in ["files", "offsets"] {
          try database.prepare("DELETE FROM \(table) WHERE scope = ?").run(.integer(scope))
        }
      }
    }

    func offsets() throws -> [Int32: Int64] {
      var offsets: [Int32: Int64] = [:]
      try database.prepare("SELECT partition, last FROM offsets WHERE scope = ?").each(.integer(scope)) { row in
        offsets[Int32(clamping: row.integer(0))] = row.integer(1)
        return true
      }
      return offsets
    }
  }
}

enum LedgerError: Error, CustomStringConvertible {
  case foreignVersion(Int, path: String)
  case damaged(path: String, reason: String)

  /// The error itself, or what it says of the ledger.
  static func of(_ error: any Error, path: String) -> any Error {
    guard let error = error as? SQLiteError, error.isCorrupt else { return error }
    return LedgerError.damaged(path: path, reason: error.message)
  }

  var description: String {
    switch self {
    case .foreignVersion(let version, let path):
      "the ledger \(path) has version \(version), which this program does not know: use the program that wrote it, or "
        + "another STATE_DIR"
    case .damaged(let path, let reason):
      "the ledger \(path) is damaged: \(reason). Move it away, with its -wal and -shm: then everything is sent again, and "
        + "consumers store nothing twice"
    }
  }
}
