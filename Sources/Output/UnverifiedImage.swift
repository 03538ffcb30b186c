import Platform
import Wire

/// The image of a message, decoded and not verified yet.
struct UnverifiedImage: ByteOwner {
  let name: ImageName
  let headers: ImageHeaders
  private let bytes: UnsafeRawBufferPointer
  /// Keeps the bytes valid.
  private let owner: AnyObject

  init(name: ImageName, headers: ImageHeaders, _ bytes: UnsafeRawBufferPointer, of owner: AnyObject) {
    self.name = name
    self.headers = headers
    self.bytes = bytes
    self.owner = owner
  }

  package func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
    try withExtendedLifetime(owner) { try body(bytes) }
  }

  /// How the image differs from what its headers say; nil if it does not.
  /// - Parameter digest: that of the bytes.
  func fault(_ digest: Digest) -> BadMessage? {
    if let length = headers.length, length != bytes.count {
      return BadMessage(
        stage: .conversion, kind: "LengthMismatch",
        description: "the image has \(bytes.count) bytes, its header \(ImageHeaders.Name.length) says \(length)")
    }
    if let expected = headers.digest, expected != digest {
      return BadMessage(
        stage: .conversion, kind: "DigestMismatch",
        description: "the image's SHA-256 is \(digest), its header \(ImageHeaders.Name.digest) says \(expected)")
    }
    return nil
  }
}
