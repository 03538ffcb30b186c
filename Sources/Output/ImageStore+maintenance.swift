import Platform
import SQLite
import Telemetry

extension ImageStore {
  /// An image that was given up because the rest of its segments did not come.
  package struct Expired {
    package let name: String
    package let parts: Int
    package let count: Int
    package let letters: Int
    /// Offsets of parts that the topic has no more.
    package let gone: [Int64]
  }

  /// Makes dead letters of images to which no segment was added for `milliseconds`. To be called at the end of the
  /// topic only: what is still to be read may hold the rest.
  ///
  /// The letters are delivered first and without the lock. Where the image goes on in the midst of it, they are there
  /// besides: sent back, they change nothing.
  /// - Parameters:
  ///   - partitions: this consumer's. What lies in none of them is another one's to give up.
  ///   - partitionCount: how many the topic has; nil where that is not known. Nobody's are those that a larger one had before
  ///     it was made anew.
  /// - Returns: nil where another consumer holds the lock at the moment, or where the wait for the broker was given up.
  package func expire(
    _ topic: Catalog.Topic, _ topicName: String, after milliseconds: Int, in partitions: Set<Int32>,
    partitionCount: () -> Int? = { nil }
  ) throws -> [Expired]? {
    let due = Clock.wallMilliseconds - Int64(milliseconds)
    let waiting = try catalog.assemblies(of: topic, untouchedSince: due)
    guard !waiting.isEmpty else { return [] }
    // Letters whose image then could not be forgotten would be sent again and again.
    guard try catalog.database.tryBegin() else { return nil }
    catalog.database.rollback()
    var expired: [Expired] = []
    lazy var existing = partitionCount().map { Int32(clamping: $0) } ?? .max
    for assembly in waiting {
      let parts = try catalog.parts(of: assembly)
      // Of an older incarnation of the topic nothing is still to come. Where segments of one image lie in several
      // consumers' partitions, each may give it up: the letters count once.
      guard
        assembly.generation != topic.generation || parts.contains(where: { partitions.contains($0.partition) })
          || parts.allSatisfy({ $0.partition >= existing })
      else { continue }
      let reason = BadMessage(
        stage: .storing, kind: "SegmentTimeout",
        description: "\(parts.count) of \(assembly.count) segments of \(assembly.name) came, the last one more than "
          + "\(milliseconds / 1000) s ago")
      let sent = try assembler.deliverLetters(of: assembly, reason, topicName)
      FaultPoint.lettersDelivered.reached()
      guard let sent, try forget(assembly, topic, untouchedSince: due) else { return expired.isEmpty ? nil : expired }
      expired.append(
        Expired(
          name: assembly.name, parts: parts.count, count: assembly.count, letters: sent.found, gone: sent.gone))
    }
    return expired
  }

  /// - Returns: false where the wait for the lock was given up, or where a segment has come after all.
  private func forget(_ assembly: Catalog.Assembly, _ topic: Catalog.Topic, untouchedSince due: Int64) throws -> Bool {
    while try !catalog.database.tryBegin() {
      guard letters.whileWaiting() else { return false }
    }
    do {
      guard try catalog.assemblies(of: topic, untouchedSince: due).contains(where: { $0.id == assembly.id }) else {
        catalog.database.rollback()
        return false
      }
      let leftovers = try assembler.forget(assembly)
      try catalog.database.commit()
      letters.settled()
      FaultPoint.assemblyExpired.reached()
      try? removeLeftovers(leftovers)
      return true
    } catch {
      catalog.database.rollback()
      throw error
    }
  }

  /// Removes segment files that no image of the catalog waits for: a batch that was interrupted wrote them. Young ones
  /// may be another consumer's, in the midst of its batch.
  /// - Returns: false where another consumer holds the lock at the moment: what is there may be about to be recorded.
  package func removeOrphans(olderThan milliseconds: Int) throws -> Bool {
    guard try catalog.database.tryBegin() else { return false }
    defer { catalog.database.rollback() }
    let known = Set(try catalog.allAssemblies().map(\.fileName))
    let due = Clock.wallNanoseconds - Int64(milliseconds) * 1_000_000
    for name in try output.segments.names() where !known.contains(name) {
      guard let status = try output.segments.status(name), status.modified < due else { continue }
      try output.segments.remove(name)
    }
    return true
  }
}
