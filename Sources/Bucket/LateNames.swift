import Output
import Synchronization
import Wire

/// The names whose images are left to the transaction.
///
/// Which versions an object replaces is decided when it is sent. So no version may be sent before an earlier one of which only
/// the transaction knows whether it is complete, nor before one that is left to the transaction for this reason.
final class LateNames: Sendable {
  /// The offsets of the last messages that are left to the transaction.
  private let offsets = Mutex<[ImageKey: Int64]>([:])

  func contains(_ name: ImageName, _ partition: Int32) -> Bool {
    offsets.withLock { $0[ImageKey(name, partition)] != nil }
  }

  /// Whether a message may be dealt with before the transaction. If not, it is one of those that later ones wait for.
  /// - Parameter isKnown: whether it certainly has an image.
  func mayPrecede(_ name: ImageName, _ partition: Int32, _ offset: Int64, isKnown: Bool) -> Bool {
    let key = ImageKey(name, partition)
    return offsets.withLock { offsets in
      guard !isKnown || offsets[key] != nil else { return true }
      offsets[key] = max(offset, offsets[key] ?? 0)
      return false
    }
  }

  /// Messages up to these positions are stored.
  func stored(_ positions: [Int32: Catalog.Position]) {
    offsets.withLock { all in
      all = all.filter { key, offset in positions[key.partition].map { offset >= $0.next } ?? true }
    }
  }

  /// No batch is under way.
  func clear() { offsets.withLock { $0 = [:] } }
}
