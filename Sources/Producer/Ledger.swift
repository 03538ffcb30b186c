import Platform
import SQLite
import Synchronization
import Wire

/// The record of what was sent. A file counts once the broker has acknowledged all of it and the ledger has its line.
///
/// An SQLite database in the producer's state folder. Each line belongs to a scope: cluster, topic and input folder.
/// Safe to use from several threads.
package final class Ledger: Sendable {
  package static let fileName = "ledger.sqlite"

  // Two connections: a line is read for each file of a scan, and must not wait for the sync of a transaction.
  private let path: String
  private let reader: Mutex<Connection>
  private let writer: Mutex<Connection>
  /// The number of transactions of `writer`.
  private let changes = Atomic<Int>(0)

  package struct Line: Equatable {
    let stamp: FileStamp
    let digest: Digest
  }

  /// - Parameter folder: created if it is missing.
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

  func line(_ path: String) throws -> Line? {
    // Loaded before the read: a caller that knows that a file is no longer in progress finds its line.
    let changes = changes.load(ordering: .acquiring)
    return try using(reader) { try $0.line(path, changes) }
  }

  /// Keeps one read transaction open for all reads in `body`, because beginning one for each line costs more than
  /// reading the line. A write through this ledger starts a new one. Writes of another process may become visible only
  /// afterwards.
  func reading<T>(_ body: () throws -> T) throws -> T {
    reader.withLock { $0.keepsReading = true }
    defer { reader.withLock { $0.keepsReading = false } }
    return try body()
  }

  private func writing<T: Sendable>(_ body: (Connection) throws -> T) throws -> T {
    defer { changes.add(1, ordering: .releasing) }
    return try using(writer, body)
  }

  /// Checks that the open file is still the one at the ledger's path.
  /// - Throws: `LedgerError.gone` if the file was removed or replaced: nobody would find what is written to it then.
  func checkPlace() throws { try using(reader) { try $0.checkPlace() } }

  /// Records files, in one durable transaction.
  /// - Parameter marks: stored for partitions that have none. An existing mark stays, because it shows whether the
  ///   topic is still the same.
  func record(_ lines: [(path: String, line: Line)], marks: [Int32: MessageMark] = [:]) throws {
    try writing { try $0.record(lines, marks) }
  }

  /// Forgets files that are no longer in the input folder.
  func remove(_ paths: [String]) throws { try writing { try $0.remove(paths) } }

  /// Forgets the whole scope, including that its topic was found to be a different one.
  func forget() throws { try writing { try $0.forget() } }

  /// The mark of each partition: a message that the topic has acknowledged.
  func marks() throws -> [Int32: MessageMark] { try using(writer) { try $0.marks() } }

  /// Replaces marks with newer ones.
  func advance(_ marks: [Int32: MessageMark]) throws { try using(writer) { try $0.advance(marks) } }

  /// Whether the topic was found to be a different one from the one that images were sent to.
  func isTopicNew() throws -> Bool { try using(writer) { try $0.isTopicNew() } }

  func setTopicNew() throws { try using(writer) { try $0.setTopicNew() } }

  private final class Connection {
    private let file: String
    private let database: Database
    private let scope: Int64
    private let select: Statement
    private let replace: Statement
    private let delete: Statement
    private let addMark: Statement
    private let replaceMark: Statement
    /// The number of write transactions that the open read transaction includes; nil if none is open.
    private var snapshot: Int?
    /// Whether a read transaction stays open between reads.
    var keepsReading = false { didSet { if !keepsReading { endReading() } } }

    init(_ path: String, cluster: String, topic: String, input: String) throws {
      file = path
      database = try Database(path: path, busyTimeout: .seconds(10))
      scope = try database.transaction { [database] in
        switch try database.userVersion() {
        case 0:
          try database.execute(LedgerSchema.creation)
          try database.setUserVersion(LedgerSchema.version)
        case LedgerSchema.version: break
        case let older where (1..<LedgerSchema.version).contains(older):
          try database.execute(LedgerSchema.migration(from: older))
          try database.setUserVersion(LedgerSchema.version)
        case let other: throw LedgerError.foreignVersion(other, path: path)
        }
        try database.prepare("INSERT OR IGNORE INTO scopes (cluster, topic, input) VALUES (?, ?, ?)")
          .run(.text(cluster), .text(topic), .text(input))
        return try database.prepare("SELECT id FROM scopes WHERE cluster = ? AND topic = ? AND input = ?")
          .first(.text(cluster), .text(topic), .text(input)) { $0.integer(0) }!
      }
      select = try database.prepare(
        "SELECT size, modified, inode, digest, changed FROM files WHERE scope = ? AND path = ?")
      replace = try database.prepare(
        "REPLACE INTO files (scope, path, size, modified, inode, digest, changed) VALUES (?, ?, ?, ?, ?, ?, ?)")
      delete = try database.prepare("DELETE FROM files WHERE scope = ? AND path = ?")
      let mark = "INTO offsets (scope, partition, last, last_time, last_key) VALUES (?, ?, ?, ?, ?)"
      addMark = try database.prepare("INSERT OR IGNORE " + mark)
      replaceMark = try database.prepare("REPLACE " + mark)
    }

    private func endReading() {
      database.rollback()
      snapshot = nil
    }

    /// - Parameter changes: the number of write transactions so far. A read transaction with another number is
    ///   replaced.
    func line(_ path: String, _ changes: Int) throws -> Line? {
      if keepsReading, snapshot != changes {
        endReading()
        try database.execute("BEGIN")
        snapshot = changes
      }
      return try select.first(.integer(scope), .text(path)) { row in
        guard let digest = Digest(bytes: row.blob(3)) else {
          throw LedgerError.damaged(path: file, reason: "the hash of \(path) is none")
        }
        return Line(
          stamp: FileStamp(
            size: Int(row.integer(0)), modified: row.integer(1), changed: row.integer(4),
            inode: UInt64(bitPattern: row.integer(2))),
          digest: digest)
      }
    }

    func checkPlace() throws { if database.hasMoved { throw LedgerError.gone(path: file) } }

    func record(_ lines: [(path: String, line: Line)], _ marks: [Int32: MessageMark]) throws {
      try checkPlace()
      try database.transaction {
        for (path, line) in lines {
          try replace.run(
            .integer(scope), .text(path), .integer(Int64(line.stamp.size)), .integer(line.stamp.modified),
            .integer(Int64(bitPattern: line.stamp.inode)), .blob(line.digest.bytes), .integer(line.stamp.changed))
        }
        try write(marks, addMark)
        FaultPoint.ledgerWritten.reached()
      }
    }

    private func write(_ marks: [Int32: MessageMark], _ statement: Statement) throws {
      for (partition, mark) in marks {
        try statement.run(
          .integer(scope), .integer(Int64(partition)), .integer(mark.offset),
          mark.timestamp.map { .integer($0) } ?? .null,
          mark.key.map { .blob($0.bytes) } ?? .null)
      }
    }

    func advance(_ marks: [Int32: MessageMark]) throws {
      try database.transaction { try write(marks, replaceMark) }
    }

    func remove(_ paths: [String]) throws {
      try database.transaction { for path in paths { try delete.run(.integer(scope), .text(path)) } }
    }

    func forget() throws {
      try database.transaction {
        for table in ["files", "offsets"] {
          try database.prepare("DELETE FROM \(table) WHERE scope = ?").run(.integer(scope))
        }
        try database.prepare("UPDATE scopes SET is_topic_new = 0 WHERE id = ?").run(.integer(scope))
      }
    }

    func marks() throws -> [Int32: MessageMark] {
      var marks: [Int32: MessageMark] = [:]
      try database.prepare("SELECT partition, last, last_time, last_key FROM offsets WHERE scope = ?")
        .each(.integer(scope)) { row in
          marks[Int32(clamping: row.integer(0))] = MessageMark(
            offset: row.integer(1), timestamp: row.isNull(2) ? nil : row.integer(2),
            key: row.isNull(3) ? nil : Digest(bytes: row.blob(3)))
          return true
        }
      return marks
    }

    func isTopicNew() throws -> Bool {
      try database.prepare("SELECT is_topic_new FROM scopes WHERE id = ?").first(.integer(scope)) { $0.integer(0) } == 1
    }

    func setTopicNew() throws {
      try database.prepare("UPDATE scopes SET is_topic_new = 1 WHERE id = ?").run(.integer(scope))
    }
  }
}

enum LedgerError: NamedError, ClassifiedError, CustomStringConvertible {
  case foreignVersion(Int, path: String)
  case damaged(path: String, reason: String)
  /// The file existed, and is no longer at its path.
  case gone(path: String)

  /// `damaged` if SQLite reports corruption; any other error stays as it is.
  static func of(_ error: any Error, path: String) -> any Error {
    guard let error = error as? SQLiteError, error.disposition == .final else { return error }
    return LedgerError.damaged(path: path, reason: error.message)
  }

  var disposition: Disposition { .final }

  var name: String {
    switch self {
    case .foreignVersion: "LedgerError.foreignVersion"
    case .damaged: "LedgerError.damaged"
    case .gone: "LedgerError.gone"
    }
  }

  var description: String {
    switch self {
    case .foreignVersion(let version, let path):
      "the ledger \(path) has version \(version), which this program does not support: use the program that wrote it, "
        + "or another STATE_DIR"
    case .damaged(let path, let reason):
      "the ledger \(path) is damaged: \(reason). Move it away, with its -wal and -shm. Then everything is sent again, "
        + "and consumers store nothing twice"
    case .gone(let path):
      "the ledger \(path) was removed or replaced while it was in use. Start again. Unless you put it back first, "
        + "everything is sent again; consumers store nothing twice"
    }
  }
}
