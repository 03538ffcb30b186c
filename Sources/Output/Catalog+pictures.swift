package import Platform
import SQLite

/// What a viewer of the output reads: rows of stored versions, newest first, and which of them are stored now. Each call
/// reads a bounded number of rows: the table may have many millions, and has an index of its ids only.
extension Catalog {
  /// Which rows a viewer wants. An empty filter matches all.
  package struct RowFilter: Equatable, Sendable {
    package var label: String?
    /// A part of `file_path`, in ASCII's sense without case; any of several spellings.
    package var pathParts: [String] = []
    package var filePath: String?

    package init() {}

    package var isEmpty: Bool { self == RowFilter() }

    fileprivate var condition: String {
      (label == nil ? "" : " AND label = ?") + (filePath == nil ? "" : " AND file_path = ?")
        + (pathParts.isEmpty
          ? "" : " AND (" + pathParts.map { _ in "file_path LIKE ? ESCAPE '\\'" }.joined(separator: " OR ") + ")")
    }

    fileprivate var values: [Statement.Value] {
      [label, filePath].compactMap { $0.map { .text($0) } } + pathParts.map { .text("%" + Self.escaped($0) + "%") }
    }

    private static func escaped(_ part: String) -> String {
      part.replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_")
    }
  }

  /// Whether the catalog must be opened again to see what is stored since.
  package var isSnapshot: Bool { database.isSnapshot }

  /// Whether opening it again would help: see `isSnapshot`.
  package var isShared: Bool { Database.isShared(path) }

  /// Changes when another connection has committed something.
  package func dataVersion() throws -> Int64 { try prepared("PRAGMA data_version").first { $0.integer(0) } ?? 0 }

  /// The id of the newest row; 0 if nothing was ever stored.
  package func newestRow() throws -> Int64 {
    try prepared("SELECT coalesce(max(id), 0) FROM stored").first { $0.integer(0) } ?? 0
  }

  package func row(_ id: Int64) throws -> StoredRow? {
    try prepared("SELECT * FROM stored WHERE id = ?").first(.integer(id)) { try Self.storedRow($0) }
  }

  /// At most `limit` rows whose ids are in the range, newest first.
  package func rows(
    in ids: Range<Int64>, matching filter: RowFilter, atMost limit: Int
  ) throws -> [(id: Int64, row: StoredRow)] {
    var found: [(id: Int64, row: StoredRow)] = []
    let sql = "SELECT * FROM stored WHERE id >= ? AND id < ?\(filter.condition) ORDER BY id DESC LIMIT ?"
    let values: [Statement.Value] =
      [.integer(ids.lowerBound), .integer(ids.upperBound)] + filter.values + [.integer(Int64(limit))]
    try prepared(composed: sql).each(values) { row in
      found.append((row.integer(0), try Self.storedRow(row)))
      return true
    }
    return found
  }

  /// The hash of what is stored under a name now; nil if nothing is.
  package func storedDigest(of name: String) throws -> Digest? { try entry(name)?.digest }

  /// At most `count` names of stored images from `name` on, in the order of their bytes.
  package func names(from name: String, atMost count: Int) throws -> [String] {
    var found: [String] = []
    try prepared("SELECT name FROM images WHERE name >= ? ORDER BY name LIMIT ?").each(
      .text(name), .integer(Int64(count))
    ) { row in
      found.append(row.text(0))
      return true
    }
    return found
  }
}
