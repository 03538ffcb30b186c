import Output
import Platform
import Synchronization
import Wire

/// Follows the segments of images through the batches, to know which images are complete before a transaction records that.
///
/// An image is followed if its segments come one after another in one partition, and are alone in their file. A transaction
/// is certain to find it complete with its last segment, and not before.
final class SegmentRuns: Sendable {
  enum Progress {
    case incomplete
    case complete
    /// Whether the image is complete is only known in the transaction.
    case unknown
  }

  private enum State {
    case run(Run)
    /// Parts of an image that is not followed came in this batch.
    case unknown(batch: Int)
  }

  private struct Run {
    let name: ImageName
    let digest: Digest
    let length: Int
    let partition: Int32
    /// The index of the next segment.
    var next = 0

    /// - Returns: false if the part does not go on with this run.
    mutating func add(_ part: PreparedPart, _ partition: Int32) -> Bool {
      guard
        part.segment.index == next && partition == self.partition && part.digest == digest && part.length == length
          && part.name.bytes == name.bytes
      else { return false }
      next += 1
      return true
    }
  }

  private let states = Mutex<[Catalog.SegmentFile: State]>([:])
  /// Far more images than can be in progress: most of these will never be complete.
  private static let most = 1_000

  /// To be called for each part, in the order of the messages.
  /// - Parameters:
  ///   - batch: grows with each batch.
  ///   - isNew: whether the image's file was created in this batch.
  func add(_ part: PreparedPart, of partition: Int32, batch: Int, isNew: Bool) -> Progress {
    let file = part.segment.file
    return states.withLock { states in
      if states.count >= Self.most { states = [:] }
      guard var run = Self.run(states[file], part, partition, batch, isNew), run.add(part, partition) else {
        states[file] = .unknown(batch: batch)
        return .unknown
      }
      guard run.next == part.segment.count else {
        states[file] = .run(run)
        return .incomplete
      }
      // If more parts come before the file is removed, it is not theirs alone.
      states[file] = .unknown(batch: batch)
      return .complete
    }
  }

  /// The run that a part may go on with, or begin.
  private static func run(
    _ state: State?, _ part: PreparedPart, _ partition: Int32, _ batch: Int, _ isNew: Bool
  ) -> Run? {
    switch state {
    case .run(let run): return run
    case .unknown(batch): return nil
    case .unknown, nil:
      return isNew ? Run(name: part.name, digest: part.digest, length: part.length, partition: partition) : nil
    }
  }

  /// Batches with segments will not be stored.
  func clear() { states.withLock { $0 = [:] } }
}
