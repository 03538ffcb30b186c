import Output
import Wire

/// The names whose images are left to the transaction.
///
/// An upload decides which versions its object replaces. A version must therefore wait for an earlier version if only the
/// transaction can tell whether that one is complete. It must also wait for a version that is itself left to the
/// transaction.
struct LateNames {
  /// The offsets of the last messages that are left to the transaction.
  private var offsets: [ImageKey: Int64] = [:]

  func contains(_ key: ImageKey) -> Bool { offsets[key] != nil }

  /// Decides whether a message may be handled before the transaction. If not, later messages of this name wait for it.
  /// - Parameter isKnown: whether it certainly has an image.
  mutating func admit(_ key: ImageKey, _ offset: Int64, isKnown: Bool) -> Bool {
    let last = offsets[key]
    if isKnown, last == nil { return true }
    offsets[key] = max(offset, last ?? 0)
    return false
  }

  /// Messages up to these positions are stored.
  mutating func stored(_ positions: [Int32: Catalog.Position]) {
    offsets = offsets.filter { key, offset in positions[key.partition].map { offset >= $0.next } ?? true }
  }
}
