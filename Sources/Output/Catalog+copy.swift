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
    /// nil: the batch precedes others that were copied.
    let position: Position?
    let rows: [StoredRow]
    /// For each row, the name of its image; nil if a newer version of that is known.
    let names: [String?]

    package init(topic: Topic, partition: Int32, position: Position?, rows: [StoredRow], names: [String?]) {
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
        if let position = batch.position { try set(position, batch.topic, partition: batch.partition) }
      }
    }
  }

  /// Calls `body` with each image that is stored now, in the order of the names' bytes.
  package func eachImage(_ body: (_ name: String, Entry) throws -> Void) throws {
    var last: String?
    while true {
      let some = try entries(after: last, atMost: 1_000)
      guard let end = some.last else { return }
      last = end.name
      for (name, entry) in some { try body(name, entry) }
    }
  }

  package func image(_ name: String) throws -> Entry? { try entry(name) }

  /// Calls `body` with each row. The last one of each image has the hash of the stored version: between partitions, rows
  /// may have another order than versions.
  /// - Parameter name: the name of the image that a row is about.
  package func eachRow(_ name: (StoredRow) -> String, _ body: (_ name: String, StoredRow) throws -> Void) throws {
    try rows(after: 0) { _, row in try body(name(row), row) }
    // SQLite takes the other columns from the row with the maximum.
    try prepared("SELECT *, max(id) FROM stored GROUP BY file_path").each { columns in
      var row = try Self.storedRow(columns)
      if let stored = try entry(name(row))?.digest, stored != row.digest {
        row.digest = stored
        try body(name(row), row)
      }
      return true
    }
  }
}
