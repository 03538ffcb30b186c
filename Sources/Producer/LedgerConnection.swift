import Platform
import SQLite
import Wire

extension Ledger {
  /// One connection to the ledger. Used by one thread at a time.
  final class Connection {
    private let file: String
    let database: Database
    let scope: Int64
    private let select: Statement
    private let recordSent: Statement
    private let recordKnown: Statement
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
        case LedgerSchema.version: break
        case let older where (0..<LedgerSchema.version).contains(older):
          try database.execute(LedgerSchema.migration(from: older))
          try database.setUserVersion(LedgerSchema.version)
        case let other: throw LedgerError.foreignVersion(other, path: path)
        }
        try database.prepare("INSERT OR IGNORE INTO scopes (cluster, topic, input) VALUES (?, ?, ?)")
          .run(.text(cluster), .text(topic), .text(input))
        return try database.prepare("SELECT id FROM scopes WHERE cluster = ? AND topic = ? AND input = ?")
          .first(.text(cluster), .text(topic), .text(input)) { $0.integer(0) }!
      }
      select = try database.prepare("SELECT \(Self.lineColumns) FROM files WHERE scope = ? AND path = ?")
      recordSent = try database.prepare(Self.recordSent)
      recordKnown = try database.prepare(Self.recordKnown)
      delete = try database.prepare("DELETE FROM files WHERE scope = ? AND path = ?")
      let mark = "INTO offsets (scope, partition, last, last_time, last_key) VALUES (?, ?, ?, ?, ?)"
      addMark = try database.prepare("INSERT OR IGNORE " + mark)
      replaceMark = try database.prepare("REPLACE " + mark)
    }

    /// The columns of a `Line`.
    private static let lineColumns = "size, modified, inode, digest, changed, state, outputs"

    /// Outputs that already have these very bytes keep them, however often they are sent.
    private static let recordSent = """
      INSERT INTO files (
        scope, path, size, modified, inode, digest, changed, partition, offset, seen, sent, acknowledged, state)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
      ON CONFLICT (scope, path) DO UPDATE SET
        size = excluded.size, modified = excluded.modified, inode = excluded.inode, changed = excluded.changed,
        partition = excluded.partition, offset = excluded.offset, sent = excluded.sent,
        acknowledged = excluded.acknowledged, state = 1, confirmed = 0, reason = NULL,
        seen = CASE WHEN digest = excluded.digest AND seen > 0 THEN seen ELSE excluded.seen END,
        outputs = CASE WHEN digest = excluded.digest THEN outputs ELSE 0 END,
        resent = CASE WHEN digest = excluded.digest THEN resent + 1 ELSE 0 END,
        digest = excluded.digest
      """

    /// The same bytes have another stamp now.
    private static let recordKnown = """
      INSERT INTO files (scope, path, size, modified, inode, digest, changed) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (scope, path) DO UPDATE SET
        size = excluded.size, modified = excluded.modified, inode = excluded.inode, changed = excluded.changed,
        digest = excluded.digest
      """

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
      return try select.first(.integer(scope), .text(path)) { try line(path, $0) }
    }

    private func line(_ path: String, _ row: Row) throws -> Line {
      guard let digest = Digest(bytes: row.blob(3)) else {
        throw LedgerError.damaged(path: file, reason: "the hash of \(path) is none")
      }
      return Line(
        stamp: FileStamp(
          size: Int(row.integer(0)), modified: row.integer(1), changed: row.integer(4),
          inode: UInt64(bitPattern: row.integer(2))),
        digest: digest, state: State(rawValue: row.integer(5)) ?? .unknown,
        outputs: UInt64(bitPattern: row.integer(6)))
    }

    func checkPlace() throws { if database.hasMoved { throw LedgerError.gone(path: file) } }

    func record(_ lines: [(path: String, line: Line)], _ marks: [Int32: MessageMark]) throws {
      try checkPlace()
      try database.transaction {
        for (path, line) in lines {
          let stamp = line.stamp
          let values: [Statement.Value] = [
            .integer(scope), .text(path), .integer(Int64(stamp.size)), .integer(stamp.modified),
            .integer(Int64(bitPattern: stamp.inode)), .blob(line.digest.bytes), .integer(stamp.changed),
          ]
          if let delivery = line.delivery {
            try recordSent.run(
              values + [
                .integer(Int64(delivery.partition)), .integer(delivery.offset), .integer(delivery.seen),
                .integer(delivery.sent), .integer(delivery.acknowledged),
              ])
          } else {
            try recordKnown.run(values)
          }
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

    func doubt(_ path: String) throws {
      try database.prepare("UPDATE files SET state = 4, outputs = 0 WHERE scope = ? AND path = ?")
        .run(.integer(scope), .text(path))
    }

    func lines(after path: String, limit: Int) throws -> [(path: String, line: Line)] {
      var page: [(path: String, line: Line)] = []
      try database.prepare(
        "SELECT \(Self.lineColumns), path FROM files WHERE scope = ? AND path > ? ORDER BY path LIMIT ?"
      )
      .each(.integer(scope), .text(path), .integer(Int64(limit))) { row in
        let path = row.text(7)
        page.append((path, try line(path, row)))
        return true
      }
      return page
    }

    func remove(_ paths: [String]) throws {
      try database.transaction { for path in paths { try delete.run(.integer(scope), .text(path)) } }
    }

    func forget() throws {
      try database.transaction {
        // How far the topic of receipts is read remains true.
        for table in ["files", "offsets", "stored_positions", "outputs"] {
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

    func setTopicNew(losesWaiting: Bool) throws {
      try database.transaction {
        try database.prepare("UPDATE scopes SET is_topic_new = 1 WHERE id = ?").run(.integer(scope))
        // They are about the other topic.
        for table in ["stored_positions", "offsets"] {
          try database.prepare("DELETE FROM \(table) WHERE scope = ?").run(.integer(scope))
        }
        guard losesWaiting else { return }
        try database.prepare("UPDATE files SET state = 4 WHERE scope = ? AND state = 1").run(.integer(scope))
      }
    }
  }
}
