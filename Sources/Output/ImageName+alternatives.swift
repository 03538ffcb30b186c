package import Platform
package import Wire

extension ImageName {
  /// Digits of the hash in each alternative.
  private static let digits = [8, 16, 64]
  /// An extension that is longer than this, in bytes including its dot, belongs to the part that may be shortened.
  private static let longestExtension = 16

  /// Names for an image whose own name is taken by another image, in the order in which to try them:
  /// `cat/001~0a1b2c3d.jpg`, then with more digits of the hash.
  ///
  /// They depend on name and hash alone, so an image that arrives again finds its own file.
  package func alternatives(_ digest: Digest) -> [ImageName] { Self.digits.map { alternative(digest, digits: $0) } }

  /// The name that an image was sent under, if this is one of that name's alternatives; otherwise this name.
  func original(_ digest: Digest) -> ImageName {
    for digits in Self.digits {
      let mark = "~\(digest.hex.prefix(digits))"
      guard let place = value.ranges(of: mark).last,
        let name = try? ImageName(String(value[..<place.lowerBound] + value[place.upperBound...]))
      else { continue }
      if name.alternatives(digest).contains(where: { $0.value.utf8.elementsEqual(value.utf8) }) { return name }
    }
    return self
  }

  private func alternative(_ digest: Digest, digits: Int) -> ImageName {
    // By bytes: to Swift, a dot followed by a combining accent is another character.
    let bytes = Array(leaf.utf8)
    let dot = bytes.lastIndex(of: UInt8(ascii: ".")) ?? bytes.count
    let end = dot > 0 && bytes.count - dot <= Self.longestExtension ? dot : bytes.count
    let mark = Array("~\(digest.hex.prefix(digits))".utf8) + bytes[end...]
    let folder = value.utf8.count - bytes.count
    let room = max(0, min(Self.longestComponent, Self.longestName - folder) - mark.count)
    var stem = bytes[..<end].prefix(room)
    // Never keep half of a character.
    while String(validating: stem, as: UTF8.self) == nil { stem.removeLast() }
    let name = String(decoding: value.utf8.prefix(folder) + stem + mark, as: UTF8.self)
    // The new name is as valid as this one: it has the same folders, and a leaf that is neither empty nor too long.
    return (try? ImageName(name)) ?? self
  }
}
