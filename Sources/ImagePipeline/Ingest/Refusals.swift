import Platform
import Synchronization

/// The files that could not be sent, so that each is tried again when it changes and not before; after a while where it
/// was the system's fault or the broker's.
final class Refusals: Sendable {
  private struct Refusal {
    /// How the file looked; nil if it could not be inspected.
    let status: FileStatus?
    /// Monotonic ms; nil: not before it changes.
    var retry: Int64?
    /// How long was waited for that, in ms.
    var delay: Int64
  }

  /// By `pathKey`.
  private let files = Mutex<[[UInt8]: Refusal]>([:])
  /// If there are more, all are forgotten, tried and reported again: memory is bounded.
  private static let most = 100_000
  private static let firstDelay: Int64 = 10_000
  private static let longestDelay: Int64 = 60_000

  enum News: Equatable {
    /// The file was not refused before.
    case first
    /// An earlier version of it was.
    case otherVersion
    /// Nothing has changed.
    case none
  }

  /// - Parameter isPassing: the disk, the system or the broker was at fault, and may not be the next time.
  func add(_ path: String, _ status: FileStatus?, isPassing: Bool = false, now: Int64 = Clock.monotonicMilliseconds)
    -> News
  {
    files.withLock { files in
      if files.count >= Self.most { files = [:] }
      let before = files[path.pathKey]
      let isSame = before.map { $0.status == status } ?? false
      let delay = isSame ? min(2 * before!.delay, Self.longestDelay) : Self.firstDelay
      files[path.pathKey] = Refusal(status: status, retry: isPassing ? now + delay : nil, delay: delay)
      return before == nil ? .first : isSame ? .none : .otherVersion
    }
  }

  /// Whether this version of a file is not to be tried at the moment. The refusal of an earlier version stays until the file is
  /// sent or gone: until then it is one that could not be sent.
  func contains(_ path: String, _ status: FileStatus, now: Int64 = Clock.monotonicMilliseconds) -> Bool {
    files.withLock { files in
      guard let known = files[path.pathKey], known.status == status else { return false }
      return known.retry.map { now < $0 } ?? true
    }
  }

  /// Returns true if it was there.
  func remove(_ path: String) -> Bool { files.withLock { $0.removeValue(forKey: path.pathKey) != nil } }

  var count: Int { files.withLock { $0.count } }
}
