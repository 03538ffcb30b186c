import Platform
import Synchronization

/// The files that could not be sent, so that each is tried again when it changes and not before; after a while where it
/// was the system's fault or the broker's.
final class Refusals: Sendable {
  private struct Refusal {
    let status: FileStatus?
    /// Monotonic ms; nil: not before it changes.
    var retry: Int64?
    /// How long was waited for that, in ms.
    var delay: Int64
  }

  /// By `pathKey`.
  private let files = Mutex<[[UInt8]: Refusal]>([:])
  /// Where there are more, all are forgotten, tried and reported again: memory is bounded.
  private static let most = 100_000
  private static let firstDelay: Int64 = 10_000
  private static let longestDelay: Int64 = 60_000

  /// - Parameter isPassing: the disk, the system or the broker was at fault, and may not be the next time.
  /// - Returns: true where this is news.
  func add(_ path: String, _ status: FileStatus?, isPassing: Bool = false, now: Int64 = Clock.monotonicMilliseconds)
    -> Bool
  {
    files.withLock { files in
      if files.count >= Self.most { files = [:] }
      let before = files[path.pathKey]
      let isNews = before == nil || before!.status != status
      let delay = isNews ? Self.firstDelay : min(2 * before!.delay, Self.longestDelay)
      files[path.pathKey] = Refusal(status: status, retry: isPassing ? now + delay : nil, delay: delay)
      return isNews
    }
  }

  func contains(_ path: String, _ status: FileStatus, now: Int64 = Clock.monotonicMilliseconds) -> Bool {
    files.withLock { files in
      guard let known = files[path.pathKey] else { return false }
      if known.status == status { return known.retry.map { now < $0 } ?? true }
      files[path.pathKey] = nil
      return false
    }
  }

  /// Returns true where it was there.
  func remove(_ path: String) -> Bool { files.withLock { $0.removeValue(forKey: path.pathKey) != nil } }

  var count: Int { files.withLock { $0.count } }
}
