package import Platform
import Wire

/// A copy of what another place knows, for commands that read a catalog.
extension Catalog {
  /// Creates a catalog that only this process writes.
  /// - Parameter id: the output's identity.
  package convenience init(copyIn folder: Folder, id: String) throws {
    try self.init(in: folder, id: id, exclusive: false)
  }

  /// The rows of a batch, and where it ends.
  package struct Copied {
    let topic: Topic
    let partition: Int32
    let position: Position
    let rows: [StoredRow]
    /// For each row, the name of its image; nil if a newer version of that is known.
    let names: [String?]

    package init(topic: Topic, partition: Int32, position: Position, rows: [StoredRow], names: [String?]) {
      self.topic = topic
      self.partition = partition
      self.position = position
      self.rows = rows
      self.names = names
    }
  }

  package func copy(_ batches: [Copied]) throws {
    try transaction {
      for batch in batches {
        for (row, name) in zip(batch.rows, batch.names) {
          try append(row)
          if let name { try set(Entry(digest: row.digest, size: row.size, modified: 0, inode: 0), name: name) }
        }
        try set(batch.position, batch.topic, partition: batch.partition)
      }
    }
  }

  /// Calls `body` with the name and the hash of each row. The last one of each name is that of the stored version: between
  /// partitions, rows may have another order than versions.
  /// - Parameter name: the name of the image that a row is about.
  package func eachRow(_ name: (StoredRow) -> String, _ body: (_ name: String, Digest) throws -> Void) throws {
    try rows(after: 0) { _, row in try body(name(row), row.digest) }
    // SQLite takes the other columns from the row with the maximum.
    try prepared("SELECT *, max(id) FROM stored GROUP BY file_path").each { columns in
      let row = try Self.storedRow(columns)
      if let stored = try entry(name(row))?.digest, stored != row.digest { try body(name(row), stored) }
      return true
    }
  }
}
