/// `s3://bucket/prefix`: an output in a bucket.
package struct BucketAddress: Sendable, Equatable, CustomStringConvertible {
  package let bucket: String
  /// Without slashes at its ends; empty: the whole bucket.
  package let prefix: String

  package static let scheme = "s3://"

  /// - Returns: nil unless the text is the address of a bucket.
  package init?(_ text: String) {
    guard text.hasPrefix(Self.scheme) else { return nil }
    let parts = text.utf8.dropFirst(Self.scheme.utf8.count).split(
      separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
    guard let bucket = parts.first.flatMap({ String($0) }), Self.isBucket(bucket) else { return nil }
    let rest = parts.count > 1 ? parts[1].split(separator: UInt8(ascii: "/")).map { String($0)! } : []
    // Some stores resolve these as paths do.
    guard !rest.contains("."), !rest.contains("..") else { return nil }
    self.bucket = bucket
    prefix = rest.joined(separator: "/")
  }

  package var description: String { Self.scheme + bucket + (prefix.isEmpty ? "" : "/" + prefix) }

  /// The beginning of the keys of everything that belongs to the output.
  package var keyStart: String { prefix.isEmpty ? "" : prefix + "/" }

  /// 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends.
  private static func isBucket(_ name: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) }
    let bytes = Array(name.utf8)
    return (3...63).contains(bytes.count) && isLetter(bytes[0]) && isLetter(bytes[bytes.count - 1])
      && bytes.allSatisfy { isLetter($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
  }
}
