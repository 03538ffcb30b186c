import Platform

/// The secret that allows changes by the page. Only its hash is kept, so that nothing can print the token.
package struct PageToken: Equatable, Sendable {
  package static let shortest = 16

  private let digest: Digest

  /// - Returns: nil if the text is too short, or cannot be sent in a header.
  package init?(_ text: String) {
    guard text.utf8.count >= Self.shortest, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
    digest = Self.hash(text)
  }

  /// Compares in a time that depends on neither token: all bytes of the two hashes are compared, whatever they are.
  package func matches(_ text: String) -> Bool {
    zip(digest.bytes, Self.hash(text).bytes).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }

  private static func hash(_ text: String) -> Digest { Array(text.utf8).withUnsafeBytes { SHA256.hash($0) } }
}
