package import Output
import Platform
package import S3

/// The metadata of an object that stores an image.
package struct ImageObject: Sendable {
  /// A version of an image, by its bytes and the message that it came from.
  struct Version: Sendable, Equatable {
    let digest: Digest
    let origin: ImageOrigin
  }

  /// nil: the object was not stored by a consumer.
  let version: Version?
  /// The versions before it, oldest first: the newest that was in the log when the object was stored, and all that have
  /// come since.
  let history: [Version]
  /// The object's ETag.
  let tag: String

  private enum Name {
    static let digest = "sha256"
    static let origin = "origin"
    /// The first version of the history, if it came from another partition.
    static let before = "before"
    /// The versions of the same partition: `OFFSET:SHA256`, with commas in between.
    static let since = "since"
  }

  /// Stores allow 2 KB of metadata. More versions than that in a few batches lose those in the middle.
  private static let mostVersions = 14

  /// A request for an object that may not exist.
  static func look(at key: String) -> S3Request {
    var request = S3Request.head(key)
    // A store that cannot have the key does not have the object. Whatever is to be stored there is refused.
    request.accepted.formUnion([400, 414])
    return request
  }

  /// - Parameter response: to a HEAD or GET request.
  package init?(_ response: S3Response) {
    guard response.status == 200, let tag = response.tag else { return nil }
    let digest = response.metadata(Name.digest).flatMap { Digest(hex: $0) }
    let origin = response.metadata(Name.origin).flatMap { ImageOrigin($0) }
    version = if let digest, let origin { Version(digest: digest, origin: origin) } else { nil }
    let before = response.metadata(Name.before).flatMap { Self.version($0) }
    history = (before.map { [$0] } ?? []) + (origin.map { Self.since(response.metadata(Name.since), $0) } ?? [])
    self.tag = tag
  }

  /// The metadata of an object.
  static func metadata(_ version: Version, history: [Version]) -> [(String, String)] {
    var all = [(Name.digest, version.digest.hex), (Name.origin, version.origin.text)]
    if let first = history.first, !first.origin.isOfPartition(version.origin) {
      all.append((Name.before, "\(first.digest.hex)/\(first.origin.text)"))
    }
    var since = history.filter { $0.origin.isOfPartition(version.origin) }
    if since.count > mostVersions { since.removeSubrange(1...(since.count - mostVersions)) }
    if !since.isEmpty {
      all.append((Name.since, since.map { "\($0.origin.offset):\($0.digest.hex)" }.joined(separator: ",")))
    }
    return all
  }

  private static func since(_ text: String?, _ origin: ImageOrigin) -> [Version] {
    (text ?? "").split(separator: ",").compactMap { entry in
      let parts = entry.split(separator: ":")
      guard parts.count == 2, let offset = Int64(parts[0]), let digest = Digest(hex: String(parts[1])) else {
        return nil
      }
      return Version(digest: digest, origin: origin.at(offset))
    }
  }

  private static func version(_ text: String) -> Version? {
    guard let slash = text.firstIndex(of: "/"), let digest = Digest(hex: String(text[..<slash])),
      let origin = ImageOrigin(text[text.index(after: slash)...])
    else { return nil }
    return Version(digest: digest, origin: origin)
  }

  /// The version that was stored before a message; nil if that is unknown, or if there was none.
  func version(before origin: ImageOrigin) -> Version? {
    if isEarlier(than: origin) { return version }
    return history.last {
      $0.origin.isOfPartition(origin) ? $0.origin.offset < origin.offset : $0.origin.isEarlier(than: origin)
    }
  }

  /// Whether the object is this version, or shows that it was there.
  func has(_ version: Version) -> Bool {
    self.version == version
      || history.contains {
        $0.digest == version.digest && $0.origin.isOfPartition(version.origin)
          && $0.origin.offset == version.origin.offset
      }
  }

  /// Whether the object is an earlier version than that one. An object of unknown origin is.
  func isEarlier(than origin: ImageOrigin) -> Bool {
    guard let own = version?.origin else { return true }
    return own != origin && own.isEarlier(than: origin)
  }

  /// Whether the object is a later version than that of a row. A row does not name the topic's cluster and generation: they
  /// are taken to be the object's.
  package func isNewer(than row: StoredRow) -> Bool {
    guard let own = version?.origin else { return false }
    let source = LogSource(
      cluster: own.cluster, topic: row.topic, generation: own.generation, partition: row.partition)
    return ImageOrigin(row, source).isEarlier(than: own)
  }
}
