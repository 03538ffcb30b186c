import Output
import Platform
import S3

/// What an object of an image says about it.
struct ImageObject: Sendable {
  /// A version of an image, by its bytes and the message that it came from.
  struct Version: Sendable, Equatable {
    let digest: Digest
    let origin: ImageOrigin
  }

  /// nil: the object was not stored by a consumer.
  let version: Version?
  /// The version that was stored before, as far as it is known to be in the log.
  let before: Version?
  let size: Int
  /// The object's ETag.
  let tag: String

  private enum Name {
    static let digest = "sha256"
    static let origin = "origin"
    static let before = "before"
  }

  /// - Parameter response: to a HEAD or GET request.
  init?(_ response: S3Response) {
    guard response.status == 200, let tag = response.tag, let size = response.length else { return nil }
    let digest = response.metadata(Name.digest).flatMap { Digest(hex: $0) }
    let origin = response.metadata(Name.origin).flatMap { ImageOrigin($0) }
    version = if let digest, let origin { Version(digest: digest, origin: origin) } else { nil }
    before = response.metadata(Name.before).flatMap { Self.version($0) }
    self.size = size
    self.tag = tag
  }

  /// The metadata of an object.
  static func metadata(_ version: Version, before: Version?) -> [(String, String)] {
    var all = [(Name.digest, version.digest.hex), (Name.origin, version.origin.text)]
    if let before { all.append((Name.before, "\(before.digest.hex)/\(before.origin.text)")) }
    return all
  }

  private static func version(_ text: String) -> Version? {
    guard let slash = text.firstIndex(of: "/"), let digest = Digest(hex: String(text[..<slash])),
      let origin = ImageOrigin(text[text.index(after: slash)...])
    else { return nil }
    return Version(digest: digest, origin: origin)
  }

  /// Whether the object is an earlier version than that one. An object of unknown origin is.
  func isEarlier(than origin: ImageOrigin) -> Bool {
    guard let own = version?.origin else { return true }
    return own != origin && own.isEarlier(than: origin)
  }
}
