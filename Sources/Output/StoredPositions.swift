package import Messaging
import Wire

/// How far each partition of a topic is stored. A folder's catalog has it, or the log of a bucket.
package protocol StoredPositions: AnyObject {
  /// The identity of the output.
  var id: String { get }

  /// The topic as the output knows it now.
  func topic(_ name: String, cluster: String) throws -> Catalog.Topic

  /// - Returns: the positions of those partitions that have one.
  func positions(of topic: Catalog.Topic, in partitions: [Int32]) throws -> [Int32: Catalog.Position]

  /// Begins a new generation of the topic, because it was re-created: the positions of the old one no longer apply.
  /// Nothing changes if another consumer has already done this.
  func advance(_ topic: Catalog.Topic) throws

  /// Notes that all receipts for messages before these offsets have been sent, or that there are none. To be called
  /// often.
  func confirmed(_ offsets: [Int32: Int64], of topic: Catalog.Topic)
}

extension Catalog: StoredPositions {
  package func positions(of topic: Topic, in partitions: [Int32]) throws -> [Int32: Position] {
    var positions: [Int32: Position] = [:]
    for partition in partitions { positions[partition] = try position(topic, partition: partition) }
    return positions
  }

  /// The catalog has the receipts that are not sent, so nothing needs to be noted.
  package func confirmed(_ offsets: [Int32: Int64], of topic: Topic) {}
}

/// Copies state from another authority into a catalog that only one consumer uses.
extension Catalog {
  /// - Parameter generation: the topic's, as the authority has it.
  package func adopt(_ name: String, cluster: String, generation: Int64) throws -> Topic {
    let known = try topic(name, cluster: cluster)
    guard known.generation != generation else { return known }
    try prepared("UPDATE topics SET generation = ? WHERE id = ?").run(.integer(generation), .integer(known.id))
    return Topic(id: known.id, generation: generation)
  }

  /// Replaces the positions of these partitions, and forgets the images that wait for segments from them.
  package func adopt(_ positions: [Int32: Position], of topic: Topic, in partitions: [Int32]) throws {
    try transaction {
      for partition in partitions {
        try prepared("DELETE FROM assemblies WHERE id IN (SELECT assembly FROM parts WHERE partition = ?)")
          .run(.integer(Int64(partition)))
        try prepared("DELETE FROM positions WHERE topic = ? AND partition = ?")
          .run(.integer(topic.id), .integer(Int64(partition)))
        if let position = positions[partition] { try set(position, topic, partition: partition) }
      }
    }
  }

  /// The offsets of segments of a partition whose images are incomplete, in order.
  package func openOffsets(of partition: Int32) throws -> [Int64] {
    var offsets: [Int64] = []
    try prepared("SELECT offset FROM parts WHERE partition = ? ORDER BY offset").each(.integer(Int64(partition))) {
      row in
      offsets.append(row.integer(0))
      return true
    }
    return offsets
  }
}

extension ImageStore {
  /// Records segments again that were stored before and whose files are lost, without storing anything.
  /// - Parameter messages: they carry segments of images that are incomplete.
  package func restore(_ messages: [any Message], of topic: Catalog.Topic) throws {
    let decoder = MessageDecoder(segments)
    var parts: [(any Message, PreparedPart)] = []
    for message in messages {
      // If the topic was re-created, another message may have the offset.
      guard (try? ImageHeaders(message.header))?.segment != nil,
        case .part(let part) = try decoder.prepare([message], { _, _ in fatalError("a segment is no whole image") })[0]
          .prepared
      else { continue }
      parts.append((message, part))
    }
    try catalog.transaction { for (message, part) in parts { _ = try assembler.record(part, message, topic) } }
  }
}
