import Platform
import SQLite
package import Wire

/// What a catalog knows about messages that are to be read again, because `repair` rebuilt it and its positions are
/// lost, or because an operator wants it (`readAgain`). A message with the stored version of an image changes nothing.
/// But a message with an older version would replace it and get a second row, and then so would the stored version.
///
/// A row shows that its partition's messages of that image were processed up to the row's offset. This holds only as
/// long as the topic is the one that the rows came from, and only a message of the topic can show that.
extension Catalog {
  /// A partition that rows came from, and that has yet to be recognised in a topic.
  package struct PastPartition: Equatable {
    package let partition: Int32
    /// The last message of the partition that the output knows.
    package let last: MessageMark
  }

  /// Records a row and the image that it names. Rows are passed in the order in which they were stored.
  func recall(_ row: StoredRow, name: String) throws {
    try set(Entry(digest: row.digest, size: row.size, modified: 0, inode: 0), name: name)
    guard row.offset >= 0, row.partition >= 0 else { return }
    let time: Statement.Value = row.sentTime.map { .integer($0) } ?? .null
    let sentName = (try? ImageName(name).original(row.digest).value) ?? name
    let key = Array(sentName.utf8).withUnsafeBytes { SHA256.hash($0) }
    try prepared(
      """
      INSERT INTO past_partitions VALUES (?1, ?2, ?3, ?4, ?5, ?4, NULL, NULL)
      ON CONFLICT (topic, partition) DO UPDATE SET
        newest_time = max(coalesce(newest_time, ?4), coalesce(?4, newest_time)),
        last_time = iif(?3 > last_offset, ?4, last_time), last_key = iif(?3 > last_offset, ?5, last_key),
        last_offset = max(last_offset, ?3)
      """
    ).run(.text(row.topic), .integer(Int64(row.partition)), .integer(row.offset), time, .blob(key.bytes))
    try prepared(
      """
      INSERT INTO past_images VALUES (?, ?, ?, ?)
      ON CONFLICT (name, topic, partition) DO UPDATE SET offset = max(offset, excluded.offset)
      """
    ).run(.text(name), .text(row.topic), .integer(Int64(row.partition)), .integer(row.offset))
  }

  /// Partitions that were not recognised, or from which nothing has been stored since they were: another topic may have
  /// taken the name meanwhile.
  package func unboundPast(_ topic: String) throws -> [PastPartition] {
    var found: [PastPartition] = []
    try prepared(
      """
      SELECT partition, last_offset, last_time, last_key FROM past_partitions AS past
      WHERE topic = ? AND NOT EXISTS (
        SELECT 1 FROM positions AS at
        WHERE at.topic = past.bound_topic AND at.generation = past.bound_generation AND at.partition = past.partition)
      ORDER BY partition
      """
    ).each(.text(topic)) { row in
      let mark = MessageMark(
        offset: row.integer(1), timestamp: row.isNull(2) ? nil : row.integer(2), key: try row.digest(3))
      found.append(PastPartition(partition: Int32(clamping: row.integer(0)), last: mark))
      return true
    }
    return found
  }

  /// Records which topic the rows of a partition came from.
  /// - Parameter topic: nil if they did not come from the topic that has the name now.
  package func bindPast(_ name: String, partition: Int32, to topic: Topic?) throws {
    try transaction {
      try prepared("UPDATE past_partitions SET bound_topic = ?, bound_generation = ? WHERE topic = ? AND partition = ?")
        .run(
          topic.map { .integer($0.id) } ?? .null, topic.map { .integer($0.generation) } ?? .null, .text(name),
          .integer(Int64(partition)))
    }
  }

  /// Deletes the notes about offsets that the positions have passed.
  package func prunePast() throws {
    try transaction {
      try prepared(
        """
        DELETE FROM past_images WHERE EXISTS (
          SELECT 1 FROM past_partitions AS past JOIN positions ON positions.topic = past.bound_topic
            AND positions.generation = past.bound_generation AND positions.partition = past.partition
          WHERE past.topic = past_images.topic AND past.partition = past_images.partition
            AND positions.next > past_images.offset)
        """
      ).run()
    }
  }

  var hasPast: Bool {
    get throws { try prepared("SELECT EXISTS (SELECT 1 FROM past_images)").first { $0.integer(0) } == 1 }
  }

  /// True for an older version of an image: it already has its row, and a newer version is stored.
  func isPast(_ name: String, _ digest: Digest, from origin: MessageOrigin, _ topic: Topic) throws -> Bool {
    // The version that is stored now is accepted: if its file is gone, the message restores it.
    guard let entry = try entry(name), entry.digest != digest else { return false }
    let time: Statement.Value = origin.timestamp.map { .integer($0) } ?? .null
    return try prepared(
      """
      SELECT 1 FROM past_images AS image JOIN past_partitions AS past USING (topic, partition)
      WHERE image.name = ? AND topic = ? AND partition = ? AND image.offset >= ? AND past.bound_topic = ?
        AND past.bound_generation = ? AND coalesce(? <= past.newest_time, 1)
      """
    ).first(
      .text(name), .text(origin.topic), .integer(Int64(origin.partition)), .integer(origin.offset), .integer(topic.id),
      .integer(topic.generation), time
    ) { _ in true } ?? false
  }
}
