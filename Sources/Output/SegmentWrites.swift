import Synchronization

/// Keeps parts of an image from being written while the image is assembled.
///
/// Parts are written by the threads that prepare the next batches. If a faulty sender sends a part a second time with
/// other bytes, these must not get into a file whose bytes have been verified. They are written before the
/// verification, or into a new file. A file that is sent to a store may change meanwhile: the store compares the
/// hash and refuses it, and then the messages are read again.
final class SegmentWrites: Sendable {
  private final class Stripe: Sendable {
    let lock = Mutex(())
  }

  /// Each lock is for some of the files, because many images may be in progress at once.
  private let stripes = (0..<16).map { _ in Stripe() }

  /// Runs `body` while no other thread works on that file, and returns its result.
  /// - Parameter file: the file's name in the `segments` folder.
  func exclusively<Result: Sendable, Failure: Error>(
    _ file: String, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let stripe = stripes[Int(UInt(bitPattern: file.hashValue) % UInt(stripes.count))]
    return try stripe.lock.withLock { _ throws(Failure) in try body() }
  }
}
