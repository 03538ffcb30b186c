import Platform

extension Base64 {
  /// The digest's bytes in Base64, as checksum headers have them.
  static func text(of digest: Digest) -> String {
    digest.bytes.withUnsafeBytes { bytes in
      String(unsafeUninitializedCapacity: encodedCount(bytes.count)) { encode(bytes, to: $0.baseAddress!) }
    }
  }
}
