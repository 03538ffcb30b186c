import Kafka
import Platform
import SQLite
import Telemetry

extension ImageStore {
  /// An image that was given up because the rest of its segments did not come.
  struct Expired {
    let name: String
    let parts: Int
    let count: Int
    let letters: Int
    /// Offsets of parts that the topic has no more.
    let gone: [Int64]
  }

  /// Makes dead letters of images to which no segment was added for `milliseconds`. To be called at the end of the
  /// topic only: what is still to be read may hold the rest.
  /// - Parameter partitions: only images whose segments lie there are touched.
  /// - Returns: nil where another consumer holds the lock at the moment.
  func expire(_ topic: Catalog.Topic, _ topicName: String, after milliseconds: Int, in partitions: Set<Int32>) throws
    -> [Expired]?
  {
    let due = Clock.wallMilliseconds - Int64(milliseconds)
    guard try !catalog.assemblies(of: topic, untouchedSince: due).isEmpty else { return [] }
    guard try catalog.database.tryBegin() else { return nil }
    do {
      var expired: [Expired] = []
      var leftovers: [String] = []
      for assembly in try catalog.assemblies(of: topic, untouchedSince: due) {
        let parts = try catalog.parts(of: assembly)
        guard parts.allSatisfy({ partitions.contains($0.partition) }) else { continue }
        leftovers += try catalog.assemblies(segmentID: assembly.segmentID).map(\.fileName)
        let reason = BadMessage(
          stage: .storing, kind: "SegmentTimeout",
          description: "\(parts.count) of \(assembly.count) segments of \(assembly.name) came, the last one more than "
            + "\(milliseconds / 1000) s ago")
        let buried = try assembler.bury(assembly, reason, topicName)
        expired.append(
          Expired(
            name: assembly.name, parts: parts.count, count: assembly.count, letters: buried.found,
            gone: buried.gone.map(\.offset)))
      }
      try catalog.database.commit()
      for name in leftovers { try? output.segments.remove(name) }
      return expired
    } catch {
      catalog.database.rollback()
      throw error
    }
  }

  /// Removes segment files that no image of the catalog waits for: a batch that was interrupted wrote them. Young ones
  /// may be another consumer's, in the midst of its batch.
  func removeOrphans(olderThan milliseconds: Int) throws {
    let known = Set(try catalog.allAssemblies().map(\.fileName))
    let due = Clock.wallNanoseconds - Int64(milliseconds) * 1_000_000
    for name in try output.segments.names() where !known.contains(name) {
      guard let status = try output.segments.status(name), status.modified < due else { continue }
      try output.segments.remove(name)
    }
  }
}
