import TestSupport

@testable import Page
@testable import Platform
@testable import Producer
@testable import SQLite
@testable import Wire

/// A ledger as a producer leaves it.
struct PageLedger {
  private let path: String
  private let input: String

  init(_ folder: TestFolder) throws {
    try folder.makeFolder("state")
    path = folder / "state/ledger.sqlite"
    input = try InputFolder.path(of: folder / "in")
  }

  /// - Parameter images: path, state as in `Ledger.State`, and the reason of a dead letter.
  func add(_ images: [(path: String, state: Int64, reason: String)]) throws {
    let database = try Database(path: path, busyTimeout: .seconds(5))
    defer { database.close() }
    try database.execute(LedgerSchema.creation)
    try database.setUserVersion(LedgerSchema.version)
    try database.execute(
      "INSERT INTO scopes (id, cluster, topic, input) VALUES (1, 'c', '\(PageFailures.topic)', '\(input)')")
    for image in images {
      try database.execute(
        """
        INSERT INTO files (scope, path, size, modified, inode, digest, state, reason)
        VALUES (1, '\(image.path)', 1, 0, 0, zeroblob(32), \(image.state), '\(image.reason)')
        """)
    }
  }
}
