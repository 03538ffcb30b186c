import Platform
import SQLite

/// Reading a topic again into an output that already has its images.
extension Catalog {
  /// Forgets how far a topic is stored, so that it is read from its beginning. First notes what the stored rows say
  /// about its messages: without that, an older version of an image would replace the newer one and get a second row.
  ///
  /// - Parameters:
  ///   - name: the topic's name.
  ///   - imageName: returns the name of a row's image, by its `file_path`; nil for an image of another output.
  func readAgain(_ name: String, _ topic: Topic, imageName: (String) throws -> String?) throws {
    try transaction {
      let ends = try notePast(name, topic)
      // In order, so that a partition's last row for a name wins: earlier rows may be of an earlier topic.
      try rows(after: 0) { _, row in
        guard row.topic == name, let end = ends[row.partition], row.offset >= 0, row.offset <= end,
          let image = try imageName(row.filePath)
        else { return }
        try prepared("REPLACE INTO past_images VALUES (?, ?, ?, ?)")
          .run(.text(image), .text(name), .integer(Int64(row.partition)), .integer(row.offset))
      }
      try prepared("DELETE FROM positions WHERE topic = ? AND generation = ?")
        .run(.integer(topic.id), .integer(topic.generation))
    }
  }

  /// Partitions that are to be read again, and from which nothing has been stored since.
  package func unread(_ name: String, _ topic: Topic) throws -> Set<Int32> {
    let found = try offsets(
      """
      SELECT partition, last_offset FROM past_partitions AS past WHERE topic = ? AND NOT EXISTS (
        SELECT 1 FROM positions AS at WHERE at.topic = ? AND at.generation = ? AND at.partition = past.partition)
      """, [.text(name), .integer(topic.id), .integer(topic.generation)])
    return Set(found.keys)
  }

  /// Records the message before each position as the one by which the partition is to be recognised.
  /// - Returns: the offset of that message, by partition.
  private func notePast(_ name: String, _ topic: Topic) throws -> [Int32: Int64] {
    let incarnation: [Statement.Value] = [.integer(topic.id), .integer(topic.generation)]
    // Partitions that were already being read again and have not reached the recorded end yet: what is noted extends
    // further than their position.
    var ends = try offsets(
      """
      SELECT past.partition, past.last_offset FROM past_partitions AS past LEFT JOIN positions AS at
        ON at.topic = past.bound_topic AND at.generation = past.bound_generation AND at.partition = past.partition
      WHERE past.topic = ? AND past.bound_topic = ? AND past.bound_generation = ?
        AND past.last_offset >= coalesce(at.last_offset, -1)
      """, [.text(name)] + incarnation)
    let positions = try offsets(
      "SELECT partition, last_offset FROM positions WHERE topic = ? AND generation = ? AND last_offset IS NOT NULL",
      incarnation)
    for (partition, last) in positions where ends[partition] == nil {
      ends[partition] = last
      let number = Statement.Value.integer(Int64(partition))
      try prepared("DELETE FROM past_images WHERE topic = ? AND partition = ?").run(.text(name), number)
      try prepared(
        """
        REPLACE INTO past_partitions
        SELECT ?, partition, last_offset, last_time, last_key, NULL, NULL, NULL FROM positions
        WHERE topic = ? AND generation = ? AND partition = ?
        """
      ).run([.text(name)] + incarnation + [number])
    }
    return ends
  }

  /// Runs a query whose rows are a partition and an offset.
  private func offsets(_ sql: StaticString, _ values: [Statement.Value]) throws -> [Int32: Int64] {
    var found: [Int32: Int64] = [:]
    try prepared(sql).each(values) { row in
      found[Int32(clamping: row.integer(0))] = row.integer(1)
      return true
    }
    return found
  }
}

extension ImageStore {
  /// Makes all consumers of the output read the topic again from its beginning.
  /// - Throws: `OthersAtWork` while other consumers store into the output: they would continue at their own positions.
  package func readAgain(_ name: String, _ topic: Catalog.Topic) throws {
    guard try !slot.others().contains(where: { try $0.isTaken() }) else { throw OthersAtWork(path: place.path) }
    let start = OutputFolder.filePathStart(place.path).utf8
    try catalog.readAgain(name, topic) { [catalog] path in
      // By bytes: to Swift, a slash followed by a combining accent is another character.
      if path.utf8.starts(with: start) { return String(path.utf8.dropFirst(start.count)) }
      // The row was stored when the output had another path.
      var rest = path.utf8[...]
      while let slash = rest.firstIndex(of: UInt8(ascii: "/")) {
        rest = rest[rest.index(after: slash)...]
        if let name = String(rest), try catalog.entry(name) != nil { return name }
      }
      return nil
    }
  }

  struct OthersAtWork: Error, CustomStringConvertible {
    let path: String
    var description: String {
      "other consumers store into \(path). Stop them all, start one with --from-beginning, then start the others again"
    }
  }
}
