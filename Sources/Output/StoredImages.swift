package import Platform
import SQLite
import Wire

/// The images of an output as the catalog has them now. It is read next to working consumers: nothing is changed, and
/// nobody waits.
package final class StoredImages {
  /// The identity of the output.
  package let output: String
  private let database: Database
  private let path: String
  private let filePathStart: String

  /// - Parameter path: of the output.
  /// - Returns: nil if the folder has no catalog.
  package init?(output path: String) throws {
    let folder = path + "/" + ImageName.reserved
    let catalog = folder + "/" + Catalog.fileName
    guard try FileStatus.of(catalog)?.kind == .regular else { return nil }
    self.path = catalog
    filePathStart = path == "/" ? "/" : path + "/"
    do {
      database = try Database(reading: catalog)
      // Everything is read as of one moment.
      try database.execute("BEGIN")
      let version = try database.userVersion()
      guard (1...CatalogSchema.version).contains(version) else {
        throw CatalogError.foreignVersion(version, path: folder)
      }
      let known = try database.prepare("SELECT value FROM facts WHERE name = 'catalog'").first { $0.text(0) }
      guard let known else { throw UnreadableCatalog("it has no identity") }
      output = known
    } catch { throw CatalogError(behind: error, path: catalog) ?? error }
  }

  /// How far each partition of a topic is stored.
  package func positions(_ topic: String, cluster: String) throws -> [Int32: Int64] {
    var positions: [Int32: Int64] = [:]
    let statement = try database.prepare(
      """
      SELECT partition, next FROM positions JOIN topics ON topics.id = positions.topic
        AND topics.generation = positions.generation WHERE topics.cluster = ? AND topics.topic = ?
      """)
    try statement.each(.text(cluster), .text(topic)) { row in
      positions[Int32(clamping: row.integer(0))] = row.integer(1)
      return true
    }
    return positions
  }

  /// Calls `body` with each image that is stored now and came from the topic. An image that was stored several times
  /// with the same bytes is repeated.
  /// - Parameter body: receives the image's partition, its name as it was sent, its hash and its length. Returns false
  ///   to stop.
  package func each(of topic: String, _ body: (Int32, String, Digest, Int) throws -> Bool) throws {
    let entry = try database.prepare("SELECT digest FROM images WHERE name = ?")
    let rows = try database.prepare("SELECT file_path, digest, size, partition FROM stored WHERE topic = ? ORDER BY id")
    try rows.each(.text(topic)) { row in
      let digest = try row.digest(1)
      guard let name = try name(of: row.text(0), { try entry.first(.text($0)) { try $0.digest(0) } == digest }) else {
        return true
      }
      return try body(Int32(clamping: row.integer(3)), name.original(digest).value, digest, Int(row.integer(2)))
    }
  }

  /// The name of a row's image, if the image is the one that is stored now.
  private func name(of filePath: String, _ isStored: (String) throws -> Bool) throws -> ImageName? {
    // By bytes: to Swift, a slash followed by a combining accent is another character.
    var rest = filePath.utf8[...]
    if rest.starts(with: filePathStart.utf8) { rest = rest.dropFirst(filePathStart.utf8.count) }
    while true {
      if let name = String(rest), try isStored(name) { return try? ImageName(name) }
      // The row was stored when the output had another path.
      guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return nil }
      rest = rest[rest.index(after: slash)...]
    }
  }
}
