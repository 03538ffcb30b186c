import Platform
import SQLite
import Telemetry

extension ImageStore {
  /// An image that was given up because the rest of its segments did not arrive.
  package struct Expired {
    package let name: String
    package let parts: Int
    package let count: Int
    package let letters: Int
    /// Offsets of parts that are no longer in the topic.
    package let gone: [Int64]
  }

  /// Turns images into dead letters if no segment was added to them for the timeout. To be called only at the end of
  /// the topic: messages that are still to be read may hold the missing segments.
  ///
  /// The dead letters are delivered first, and without the lock. If a missing segment arrives meanwhile, the dead
  /// letters exist in addition to the image. Replaying them changes nothing.
  /// - Parameters:
  ///   - partitions: this consumer's. An image without a segment in any of them is left to another consumer.
  ///   - partitionCount: how many partitions the topic has; nil if that is unknown. If a topic was re-created with
  ///     fewer partitions, the ones that are gone belong to nobody, so any consumer gives up their images.
  /// - Returns: the images that were given up. nil if none was, because another consumer held the lock, a segment
  ///   arrived meanwhile, or the wait for the broker or for the lock was given up.
  package func expire(
    _ topic: Catalog.Topic, _ topicName: String, after timeout: Duration, in partitions: Set<Int32>,
    partitionCount: () -> Int? = { nil }
  ) throws -> [Expired]? {
    let due = WallClock.milliseconds - Int64(timeout.inMilliseconds)
    let waiting = try catalog.assemblies(of: topic, untouchedSince: due)
    guard !waiting.isEmpty else { return [] }
    // If the lock is taken, the image cannot be forgotten afterwards, and its dead letters would be sent again and
    // again.
    guard try catalog.database.tryBegin() else { return nil }
    catalog.database.rollback()
    var expired: [Expired] = []
    lazy var existing = partitionCount().map { Int32(clamping: $0) } ?? .max
    for assembly in waiting {
      let parts = try catalog.parts(of: assembly)
      // Nothing more arrives of an older generation of the topic. If the segments of one image are in the partitions of
      // several consumers, each of them may give it up: the dead letters count once.
      guard
        assembly.generation != topic.generation || parts.contains(where: { partitions.contains($0.partition) })
          || parts.allSatisfy({ $0.partition >= existing })
      else { continue }
      let reason = BadMessage(
        stage: .storing, kind: Self.segmentTimeout,
        description:
          "only \(parts.count) of \(assembly.count) segments of \(assembly.name) arrived; the last one more than "
          + "\(timeout.components.seconds) s ago")
      let sent = try assembler.deliverLetters(of: assembly, reason, topicName)
      FaultPoint.lettersDelivered.reached()
      guard let sent, try forget(assembly, parts, topic, untouchedSince: due) else {
        return expired.isEmpty ? nil : expired
      }
      expired.append(
        Expired(
          name: assembly.name, parts: parts.count, count: assembly.count, letters: sent.found, gone: sent.gone))
    }
    return expired
  }

  /// Removes an expired image from the catalog.
  /// - Returns: false if the wait for the lock was given up, or if a segment has arrived after all.
  private func forget(
    _ assembly: Catalog.Assembly, _ parts: [Catalog.Part], _ topic: Catalog.Topic, untouchedSince due: Int64
  ) throws -> Bool {
    while try !catalog.database.tryBegin() {
      guard letters.whileWaiting() else { return false }
    }
    do {
      guard try catalog.assemblies(of: topic, untouchedSince: due).contains(where: { $0.id == assembly.id }) else {
        catalog.database.rollback()
        return false
      }
      let leftovers = try assembler.forget(assembly)
      let receipts = try outbox?.write(receipts(ofExpired: assembly, parts, topic))
      try catalog.database.commit()
      if let receipts { outbox?.committed(receipts) }
      letters.settled()
      FaultPoint.assemblyExpired.reached()
      try? removeLeftovers(leftovers)
      return true
    } catch {
      catalog.database.rollback()
      throw error
    }
  }

  /// Removes segment files that no image in the catalog needs: an interrupted batch wrote them. Recent files are kept,
  /// because they may be part of another consumer's current batch.
  /// - Returns: false if another consumer holds the lock at the moment: it may be about to record some of the files.
  package func removeOrphans(olderThan age: Duration) throws -> Bool {
    guard try catalog.database.tryBegin() else { return false }
    defer { catalog.database.rollback() }
    let known = Set(try catalog.allAssemblies().map(\.fileName))
    let due = WallClock.nanoseconds - Int64(age.inMilliseconds) * 1_000_000
    for name in try segments.folder.names() where !known.contains(name) {
      guard let status = try segments.folder.status(name), status.modified < due else { continue }
      try segments.folder.remove(name)
    }
    return true
  }
}
