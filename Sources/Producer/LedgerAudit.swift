package import Configuration
package import Platform
import SQLite
import Wire

/// What the ledger has of one input, topic and cluster, as of one moment. It only reads, next to a running producer.
package final class LedgerAudit {
  /// An image that the broker has acknowledged.
  package struct SentImage {
    /// Relative to the input folder.
    package let path: String
    package let digest: Digest
    package let size: Int
    package let state: Ledger.State
    /// Of its last message; negative: an older version of the program sent it.
    package let partition: Int32
    package let offset: Int64
    /// When the broker acknowledged it, in ms since 1970; 0: unknown.
    package let acknowledged: Int64
  }

  package enum Record {
    case sent(partition: Int32)
    /// The file has another stamp than the version that was sent.
    case otherVersion(sentSize: Int, sentDigest: Digest, partition: Int32)
    case absent

    package var partition: Int32? {
      switch self {
      case .sent(let partition), .otherVersion(_, _, let partition): partition
      case .absent: nil
      }
    }
  }

  private let database: Database
  private let path: String
  private let scope: Int64
  private let find: Statement

  /// The moment of this call is the one that is looked at.
  /// - Returns: nil if there is no ledger, or if it has nothing of this input, topic and cluster.
  /// - Throws: `LedgerError.outdated` if it is an older program's; `UnseenCommits`.
  package init?(_ settings: ProducerSettings, cluster: String) throws {
    let status: LedgerStatus
    do { status = try LedgerStatus(settings) } catch LedgerError.missing { return nil }
    guard let scope = status.scopes.first(where: { $0.cluster == cluster }) else { return nil }
    self.scope = scope.id
    path = status.path
    database = status.database
    try database.checkSight()
    do {
      try database.execute("BEGIN")
      find = try database.prepare(
        "SELECT size, modified, changed, inode, digest, partition FROM files WHERE scope = ? AND path = ?")
      // A transaction begins with its first read.
      _ = try find.first(.integer(self.scope), .text("")) { _ in }
    } catch { throw LedgerError.of(error, path: path) }
  }

  package func each(_ body: (SentImage) throws -> Void) throws {
    try database.prepare(Self.columns).each(.integer(scope)) { row in
      try body(image(row))
      return true
    }
  }

  /// The image of a file; nil if the ledger does not have it.
  package func image(_ path: String) throws -> SentImage? {
    try database.prepare(Self.columns + " AND path = ?").first(.integer(scope), .text(path)) { try image($0) }
  }

  private static let columns =
    "SELECT path, digest, size, state, partition, offset, acknowledged FROM files WHERE scope = ?"

  private func image(_ row: Row) throws -> SentImage {
    SentImage(
      path: row.text(0), digest: try digest(row.blob(1), of: row.text(0)), size: Int(row.integer(2)),
      state: Ledger.State(rawValue: row.integer(3)) ?? .unknown, partition: Int32(clamping: row.integer(4)),
      offset: row.integer(5), acknowledged: row.integer(6))
  }

  private func digest(_ bytes: [UInt8], of image: String) throws -> Digest {
    guard let digest = Digest(bytes: bytes) else {
      throw LedgerError.damaged(path: path, reason: "the hash of \(image) is none")
    }
    return digest
  }

  /// Whether the version of a file that has this status was sent.
  package func record(_ path: String, _ status: FileStatus) throws -> Record {
    try find.first(.integer(scope), .text(path)) { row in
      let stamp = FileStamp(
        size: Int(row.integer(0)), modified: row.integer(1), changed: row.integer(2),
        inode: UInt64(bitPattern: row.integer(3)))
      let partition = Int32(clamping: row.integer(5))
      if FileStamp(status) == stamp { return .sent(partition: partition) }
      return .otherVersion(
        sentSize: stamp.size, sentDigest: try digest(row.blob(4), of: path), partition: partition)
    } ?? .absent
  }
}

extension ProducerLock {
  /// Whether a producer is sending this input to this topic now.
  package static func isHeld(_ settings: ProducerSettings, cluster: String) throws -> Bool {
    let path = path(settings, cluster)
    guard try FileStatus.of(path) != nil else { return false }
    return try File.open(path, .read).isLockedExclusively()
  }
}
