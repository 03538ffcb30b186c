package import Platform
import SQLite
import Wire

/// What the output knows about images that were sent, as of the moment when the audit began.
extension OutputAudit {
  package enum Holding: Equatable, Sendable {
    /// The image is stored. `isUnchanged`: another message than the one in question brought it.
    case stored(isUnchanged: Bool)
    /// The name has other bytes.
    case otherVersion
    case absent
  }

  /// The positions of a topic's partitions at the moment when the audit began.
  package func positions(of topic: String, cluster: String) throws -> [Int32: Catalog.PartitionPosition] {
    try catalog.positions(of: topic, cluster: cluster)
  }

  /// The positions of a topic's partitions as they are now.
  package func presentPositions(of topic: String, cluster: String) throws -> [Int32: Catalog.PartitionPosition] {
    try files.refresh()
    return try present.positions(of: topic, cluster: cluster)
  }

  /// What the output has of an image. To be called after `run`.
  /// - Parameters:
  ///   - name: as it was sent.
  ///   - offset: of its last message; negative: unknown.
  package func holding(_ name: String, _ digest: Digest, partition: Int32, offset: Int64) throws -> Holding {
    guard let entry = try catalog.entry(name) else { return .absent }
    var stored = name
    if entry.digest != digest {
      guard let other = try alternative(to: name, digest) else { return .otherVersion }
      stored = other
    }
    let origin = StoredIndex.Origin(partition: partition, offset: offset)
    return .stored(isUnchanged: offset >= 0 && index.origin(of: stored).map { $0 != origin } ?? false)
  }

  /// The name under which `SAME_NAME=keep-both` stored an image whose own name another image has.
  private func alternative(to name: String, _ digest: Digest) throws -> String? {
    guard let name = try? ImageName(name) else { return nil }
    return try name.alternatives(digest).map(\.value).first { try catalog.entry($0)?.digest == digest }
  }

  /// The size of the image that is stored under a name; nil if there is none.
  package func storedSize(_ name: String) throws -> Int? { try catalog.entry(name)?.size }

  /// The partition that an image came from; negative or nil if it did not come from the topic. To be called after `run`.
  package func partition(of name: String) -> Int32? { index.origin(of: name)?.partition }

  // MARK: Samples

  /// Whether an image's file has the bytes that were stored. A file that a consumer is replacing is looked at again.
  /// - Returns: nil if the image has been replaced since the beginning, or if it has no file, which was reported.
  package func isSound(_ name: String, _ digest: Digest) throws -> Bool? {
    let deadline = Deadline(in: patience)
    while try present.entry(name)?.digest == digest, let bytes = try files.digest(of: name) {
      if bytes == digest { return true }
      guard try hasConsumers(), !deadline.hasPassed else { return false }
      try stop.check("not everything was compared")
      _ = stop.wait(for: Self.moment)
      try files.refresh()
    }
    return nil
  }

  /// Whether consumers use the output now.
  package func hasConsumers() throws -> Bool { try files.hasConsumers() }
}
