package import Configuration
import Platform
import SQLite
import Wire

/// The ledger's images of one input, for the command `status`. It only reads, next to a running producer.
package struct LedgerStatus {
  /// The images that were sent to one cluster.
  package struct Scope {
    package let cluster: String
    let id: Int64
  }

  package struct Counts {
    package fileprivate(set) var byState: [Ledger.State: Int] = [:]
    /// How many of them were sent more than once.
    package fileprivate(set) var sentAgain = 0
    /// When the broker acknowledged the oldest image that waits for receipts, in ms since 1970; nil if none waits.
    package fileprivate(set) var oldest: Int64?
  }

  /// The history of one image. Times are in ms since 1970; 0: unknown.
  package struct Image {
    package let path: String
    package let state: Ledger.State
    package let digest: String
    package let size: Int
    /// When the file was written last.
    package let modified: Int64
    /// Of its last message; negative: unknown.
    package let partition: Int64
    package let offset: Int64
    package let seen: Int64
    package let sent: Int64
    package let acknowledged: Int64
    /// When the last receipt about it was written.
    package let receipt: Int64
    /// The ids of the outputs that have it.
    package let outputs: [String]
    /// The reason of a dead letter; empty if it is none.
    package let reason: String
    /// How often it was sent again.
    package let resent: Int
  }

  /// For each cluster that images of this input were sent to.
  package let scopes: [Scope]
  let database: Database
  let path: String
  private let input: String

  /// - Throws: `LedgerError.missing` if there is no ledger, `LedgerError.outdated` if it is an older program's.
  package init(_ settings: ProducerSettings) throws {
    path = settings.stateFolder + "/" + Ledger.fileName
    guard try FileStatus.of(path) != nil else { throw LedgerError.missing(path: path) }
    let input = (try? InputFolder.path(of: settings.input)) ?? settings.input
    self.input = input
    do {
      database = try Database(reading: path)
      let version = try database.userVersion()
      // A producer is creating it.
      guard version != 0 else { throw LedgerError.missing(path: path) }
      guard version >= LedgerSchema.version else { throw LedgerError.outdated(path: path) }
      guard version == LedgerSchema.version else { throw LedgerError.foreignVersion(version, path: path) }
      var scopes: [Scope] = []
      try database.prepare("SELECT id, cluster FROM scopes WHERE topic = ? AND input = ? ORDER BY id")
        .each(.text(settings.topic), .text(input)) { row in
          scopes.append(Scope(cluster: row.text(1), id: row.integer(0)))
          return true
        }
      self.scopes = scopes
    } catch { throw LedgerError.of(error, path: path) }
  }

  package func counts(_ scope: Scope) throws -> Counts {
    var counts = Counts()
    try database.prepare("SELECT state, count(*), sum(resent > 0) FROM files WHERE scope = ? GROUP BY state")
      .each(.integer(scope.id)) { row in
        counts.byState[Ledger.State(rawValue: row.integer(0)) ?? .unknown, default: 0] += Int(row.integer(1))
        counts.sentAgain += Int(row.integer(2))
        return true
      }
    if counts.byState[.deadLetter] != nil { counts.byState[.deadLetter] = try deadLetters(scope).count }
    counts.oldest =
      try database.prepare("SELECT min(acknowledged) FROM files WHERE scope = ? AND state = 1")
      .first(.integer(scope.id)) { $0.isNull(0) ? nil : $0.integer(0) } ?? nil
    return counts
  }

  /// The images in a state, at most `limit`, by their paths. Dead letters do not count if their files are gone: somebody has
  /// dealt with them.
  package func images(_ scope: Scope, _ state: Ledger.State, limit: Int) throws -> [Image] {
    if state == .deadLetter { return try deadLetters(scope).prefix(limit).compactMap { try image(scope, path: $0) } }
    return try images(scope, "state = ? ORDER BY path LIMIT ?", [.integer(state.rawValue), .integer(Int64(limit))])
  }

  private func deadLetters(_ scope: Scope) throws -> [String] {
    // If the folder is not mounted here, that says nothing about the files.
    let isThere = (try? FileStatus.of(input)) ?? nil != nil
    var paths: [String] = []
    try database.prepare("SELECT path FROM files WHERE scope = ? AND state = ? ORDER BY path")
      .each(.integer(scope.id), .integer(Ledger.State.deadLetter.rawValue)) { row in
        let path = row.text(0)
        if !isThere || hasFile(path) { paths.append(path) }
        return true
      }
    return paths
  }

  /// Also true if the file's status cannot be read.
  private func hasFile(_ path: String) -> Bool {
    do { return try FileStatus.of(input + "/" + path) != nil } catch { return true }
  }

  /// The image of a file; nil if the ledger does not have it.
  package func image(_ scope: Scope, path: String) throws -> Image? {
    try images(scope, "path = ?", [.text(path)]).first
  }

  private func images(_ scope: Scope, _ condition: String, _ values: [Statement.Value]) throws -> [Image] {
    var outputs: [(number: Int64, id: String)] = []
    try database.prepare("SELECT number, id FROM outputs WHERE scope = ? ORDER BY number").each(.integer(scope.id)) {
      outputs.append(($0.integer(0), $0.text(1)))
      return true
    }
    var images: [Image] = []
    try database.prepare(
      """
      SELECT path, state, digest, size, partition, offset, seen, sent, acknowledged, confirmed, outputs, reason, resent,
        modified / 1000000
      FROM files WHERE scope = ? AND \(condition)
      """
    ).each([.integer(scope.id)] + values) { row in
      let bits = row.integer(10)
      images.append(
        Image(
          path: row.text(0), state: Ledger.State(rawValue: row.integer(1)) ?? .unknown,
          digest: Digest(bytes: row.blob(2))?.hex ?? "", size: Int(row.integer(3)), modified: row.integer(13),
          partition: row.integer(4), offset: row.integer(5), seen: row.integer(6), sent: row.integer(7),
          acknowledged: row.integer(8),
          receipt: row.integer(9), outputs: outputs.filter { bits & (1 << $0.number) != 0 }.map(\.id),
          reason: row.text(11), resent: Int(row.integer(12))))
      return true
    }
    return images
  }
}
