package import Platform
import SQLite
import Wire

/// The images of an output as the catalog has them now. It is read next to working consumers: nothing is changed, and
/// nobody waits.
package final class StoredImages {
  private let catalog: Catalog
  private let files: any StoredFiles
  private var names: RowNames

  /// The identity of the output.
  package var output: String { catalog.id }

  package struct Image {
    /// The name that it is stored under.
    package let name: String
    package let sentName: String
    package let digest: Digest
    package let length: Int
    package let partition: Int32
  }

  /// - Returns: nil if the output has no catalog.
  package init?(_ files: any StoredFiles) throws {
    guard try FileStatus.of("\(files.catalogFolder)/\(ImageName.reserved)/\(Catalog.fileName)")?.kind == .regular,
      let catalog = try Catalog(reading: files.catalogFolder)
    else { return nil }
    self.catalog = catalog
    self.files = files
    names = RowNames(output: files.path)
    // Everything is read as of one moment.
    try catalog.database.execute("BEGIN")
  }

  /// How far each partition of a topic is stored.
  package func positions(_ topic: String, cluster: String) throws -> [Int32: Int64] {
    try catalog.positions(of: topic, cluster: cluster).mapValues(\.next)
  }

  /// Calls `body` with each image that is stored now and came from the topic. An image that was stored several times
  /// with the same bytes is repeated.
  /// - Parameter body: returns false to stop.
  package func each(of topic: String, _ body: (Image) throws -> Bool) throws {
    let rows = try catalog.prepared(
      "SELECT file_path, digest, size, partition FROM stored WHERE topic = ? ORDER BY id")
    try rows.each(.text(topic)) { row in
      let digest = try row.digest(1)
      func isStored(_ name: String) throws -> Bool { try catalog.entry(name)?.digest == digest }
      guard let found = try names.name(of: row.text(0), isStored), try isStored(found), let name = try? ImageName(found)
      else { return true }
      return try body(
        Image(
          name: name.value, sentName: name.original(digest).value, digest: digest, length: Int(row.integer(2)),
          partition: Int32(clamping: row.integer(3))))
    }
  }

  /// Whether the image exists and has its length. Its bytes are not read.
  package func hasFile(_ image: Image) throws -> Bool {
    try files.look(at: image.name, nil, now: false)?.size == image.length
  }
}
