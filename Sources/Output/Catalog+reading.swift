import Platform
import SQLite
import Wire

/// What is read next to the consumers that use the catalog.
extension Catalog {
  /// How far a partition is stored.
  package struct PartitionPosition: Equatable, Sendable {
    /// The offset at which consumers continue.
    package let next: Int64
    /// The offset of the last message that was dealt with; nil if the catalog does not have it.
    package let last: Int64?
    /// Whether the topic is being read again, and was stored further before.
    package var isReadAgain = false
  }

  /// The positions of a topic's partitions.
  func positions(of topic: String, cluster: String) throws -> [Int32: PartitionPosition] {
    var positions: [Int32: PartitionPosition] = [:]
    try prepared(
      """
      SELECT partition, next, last_offset, EXISTS (
        SELECT 1 FROM past_partitions AS past
        WHERE past.topic = topics.topic AND past.partition = positions.partition AND past.last_offset >= next)
      FROM positions JOIN topics ON topics.id = positions.topic
        AND topics.generation = positions.generation WHERE topics.cluster = ? AND topics.topic = ?
      """
    ).each(.text(cluster), .text(topic)) { row in
      positions[Int32(clamping: row.integer(0))] = PartitionPosition(
        next: row.integer(1), last: row.isNull(2) ? nil : row.integer(2), isReadAgain: row.integer(3) == 1)
      return true
    }
    return positions
  }
}
