package import Platform
import SQLite
import Wire

extension Catalog {
  /// An image of which some segments have arrived.
  package struct Assembly {
    let id: Int64
    let segmentID: String
    let count: Int
    let name: String
    package let digest: Digest
    package let length: Int
    /// The topic's generation when the most recent segment arrived.
    let generation: Int64

    var file: SegmentFile { SegmentFile(segmentID: segmentID, count: count) }
    var fileName: String { file.name }
  }

  /// The file in the `segments` folder in which an image is assembled.
  package struct SegmentFile: Hashable {
    package let segmentID: String
    let count: Int

    /// A hash, because ids come from messages: no id can lead outside of the folder.
    package var name: String { Array("\(segmentID) \(count)".utf8).withUnsafeBytes { SHA256.hash($0) }.hex + ".part" }
  }

  package struct Part {
    let number: Int
    let size: Int
    let partition: Int32
    let offset: Int64
  }

  private static let columns = "id, segment_id, count, name, digest, length, generation"

  private static func assembly(_ row: Row) throws -> Assembly {
    Assembly(
      id: row.integer(0), segmentID: row.text(1), count: Int(row.integer(2)), name: row.text(3),
      digest: try row.digest(4), length: Int(row.integer(5)), generation: row.integer(6))
  }

  func assembly(segmentID: String, count: Int) throws -> Assembly? {
    try prepared(composed: "SELECT \(Self.columns) FROM assemblies WHERE segment_id = ? AND count = ?")
      .first(.text(segmentID), .integer(Int64(count)), row: Self.assembly)
  }

  /// All assemblies with this id: the same image, cut into different numbers of segments.
  func assemblies(segmentID: String) throws -> [Assembly] {
    try list("segment_id = ?", .text(segmentID))
  }

  /// Assemblies of a topic, of any generation, to which nothing was added since `time` (ms since 1970).
  func assemblies(of topic: Topic, untouchedSince time: Int64) throws -> [Assembly] {
    try list("topic = ? AND updated < ?", .integer(topic.id), .integer(time))
  }

  /// True if segments of this version of an image have arrived.
  func awaits(_ name: String, _ digest: Digest) throws -> Bool {
    try prepared("SELECT 1 FROM assemblies WHERE name = ? AND digest = ?")
      .first(.text(name), .blob(digest.bytes)) { _ in true } ?? false
  }

  func allAssemblies() throws -> [Assembly] { try list("1 = 1") }

  private func list(_ condition: String, _ values: Statement.Value...) throws -> [Assembly] {
    let statement = try prepared(composed: "SELECT \(Self.columns) FROM assemblies WHERE \(condition) ORDER BY id")
    var found: [Assembly] = []
    try statement.each(values) {
      found.append(try Self.assembly($0))
      return true
    }
    return found
  }

  func addAssembly(_ segment: ImageHeaders.Segment, name: String, digest: Digest, length: Int, topic: Topic) throws
    -> Assembly
  {
    try prepared(
      """
      INSERT INTO assemblies (segment_id, count, name, digest, length, updated, topic, generation)
      VALUES (?, ?, ?, ?, ?, 0, ?, ?)
      """
    ).run(
      .text(segment.id), .integer(Int64(segment.count)), .text(name), .blob(digest.bytes), .integer(Int64(length)),
      .integer(topic.id), .integer(topic.generation))
    return Assembly(
      id: database.lastInsertedRow, segmentID: segment.id, count: segment.count, name: name, digest: digest,
      length: length, generation: topic.generation)
  }

  /// Records a part. A part that arrives again replaces the earlier one: its producer may cut the image differently by
  /// now.
  /// - Returns: how many parts and how many bytes are recorded now.
  func add(_ part: Part, to assembly: Assembly, of topic: Topic, time: Int64) throws -> (parts: Int, bytes: Int) {
    try prepared("REPLACE INTO parts VALUES (?, ?, ?, ?, ?)").run(
      .integer(assembly.id), .integer(Int64(part.number)), .integer(Int64(part.size)),
      .integer(Int64(part.partition)), .integer(part.offset))
    try prepared("UPDATE assemblies SET updated = ?, topic = ?, generation = ? WHERE id = ?").run(
      .integer(time), .integer(topic.id), .integer(topic.generation), .integer(assembly.id))
    return try prepared("SELECT count(*), total(size) FROM parts WHERE assembly = ?")
      .first(.integer(assembly.id)) { (Int($0.integer(0)), Int($0.integer(1))) } ?? (0, 0)
  }

  func parts(of assembly: Assembly) throws -> [Part] {
    var parts: [Part] = []
    try prepared("SELECT number, size, partition, offset FROM parts WHERE assembly = ? ORDER BY number")
      .each(.integer(assembly.id)) { row in
        parts.append(
          Part(
            number: Int(row.integer(0)), size: Int(row.integer(1)), partition: Int32(clamping: row.integer(2)),
            offset: row.integer(3)))
        return true
      }
    return parts
  }

  func remove(_ assembly: Assembly) throws {
    try prepared("DELETE FROM assemblies WHERE id = ?").run(.integer(assembly.id))
  }
}
