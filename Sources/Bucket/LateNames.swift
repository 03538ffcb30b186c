import Output
import Wire

/// The names whose images are left to the transaction.
///
/// Which versions an object replaces is decided when it is sent. So no version may be sent before an earlier one of which only
/// the transaction knows whether it is complete, nor before one that is left to the transaction for this reason.
struct LateNames {
  /// The offsets of the last messages that are left to the transaction.
  private var offsets: [ImageKey: Int64] = [:]

  func contains(_ key: ImageKey) -> Bool { offsets[key] != nil }

  /// Whether a message may be dealt with before the transaction. If not, it is one of those that later ones wait for.
  /// - Parameter isKnown: whether it certainly has an image.
  mutating func mayPrecede(_ key: ImageKey, _ offset: Int64, isKnown: Bool) -> Bool {
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
