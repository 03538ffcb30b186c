import Synchronization

/// Keeps those who write a part of an image from writing while it is put together.
///
/// Images' parts are written by whoever prepares the batches that come next. What a broken sender sends a second time, with
/// other bytes, must not get into a file whose bytes have been verified: it comes before that, or into a new file.
final class SegmentWrites: Sendable {
  private final class Stripe: Sendable {
    let lock = Mutex(())
  }

  /// Each for some of the files: many images may be under way at once.
  private let stripes = (0..<16).map { _ in Stripe() }

  /// Returns what `body` does, in which nobody else deals with that file.
  /// - Parameter file: its name among the segments.
  func exclusively<Result: Sendable, Failure: Error>(
    _ file: String, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let stripe = stripes[Int(UInt(bitPattern: file.hashValue) % UInt(stripes.count))]
    return try stripe.lock.withLock { _ throws(Failure) in try body() }
  }
}
