import Platform
import Synchronization

/// The files that could not be sent. Each is tried again when it changes. If the system or the broker was at fault, it
/// is also tried again after a while.
final class Refusals: Sendable {
  private struct Refusal {
    /// The file's status when it was refused; nil if it could not be inspected.
    let status: FileStatus?
    /// When to try again; nil: not before the file changes.
    var retry: MonotonicClock.Instant?
    /// The wait before that.
    var backoff: Backoff
    /// Whether the broker refused the file.
    let isByBroker: Bool
  }

  /// A refused file as people see it.
  struct Shown: Sendable {
    let path: String
    let reason: String
    /// In ms since 1970.
    let time: Int64
  }

  private struct State {
    /// By `pathKey`.
    var files: [[UInt8]: Refusal] = [:]
    /// Some of them, because reasons are long.
    var shown: [[UInt8]: Shown] = [:]
    var byBroker = 0

    mutating func put(_ refusal: Refusal?, _ key: [UInt8]) -> Bool {
      let before = refusal.map { files.updateValue($0, forKey: key) } ?? files.removeValue(forKey: key)
      if refusal == nil { shown[key] = nil }
      byBroker += (refusal?.isByBroker == true ? 1 : 0) - (before?.isByBroker == true ? 1 : 0)
      return before != nil
    }
  }

  private let state = Mutex(State())
  /// If there are more, all are forgotten, and are tried and reported again, because memory is bounded.
  private static let most = 100_000
  private static let mostShown = 100
  /// In bytes.
  private static let longestReason = 1_000
  private static let backoff = Backoff(from: .seconds(10), to: .seconds(60))

  enum News: Equatable {
    /// The file was not refused before.
    case first
    /// An earlier version of the file was refused.
    case otherVersion
    /// This version of the file was refused before.
    case none
  }

  /// - Parameters:
  ///   - isPassing: the disk, the system or the broker was at fault, so a later try may succeed.
  ///   - isByBroker: the broker refused the file, which waits for a person.
  ///   - reason: with the fix.
  func add(
    _ path: String, _ status: FileStatus?, isPassing: Bool = false, isByBroker: Bool = false, reason: String = "",
    now: MonotonicClock.Instant = .now
  ) -> News {
    state.withLock { state in
      if state.files.count >= Self.most { state = State() }
      let before = state.files[path.pathKey]
      let isSame = before.map { $0.status == status } ?? false
      var backoff = isSame ? before!.backoff : Self.backoff
      let delay = backoff.failed()
      _ = state.put(
        Refusal(status: status, retry: isPassing ? now + delay : nil, backoff: backoff, isByBroker: isByBroker),
        path.pathKey)
      if state.shown.count < Self.mostShown || state.shown[path.pathKey] != nil {
        let reason = String(decoding: reason.utf8.prefix(Self.longestReason), as: UTF8.self)
        state.shown[path.pathKey] = Shown(path: path, reason: reason, time: WallClock.milliseconds)
      }
      return before == nil ? .first : isSame ? .none : .otherVersion
    }
  }

  /// Whether this version of a file is not to be tried at the moment. The refusal of an earlier version stays until the
  /// file is sent or gone: until then the file counts as one that could not be sent.
  func contains(_ path: String, _ status: FileStatus, now: MonotonicClock.Instant = .now) -> Bool {
    state.withLock { state in
      guard let known = state.files[path.pathKey], known.status == status else { return false }
      return known.retry.map { now < $0 } ?? true
    }
  }

  /// Returns true if the file was refused before.
  func remove(_ path: String) -> Bool { state.withLock { $0.put(nil, path.pathKey) } }

  var count: Int { state.withLock { $0.files.count } }

  /// Up to 100 of the files, by their paths. Of some, the reason is only in the log.
  var shown: [Shown] {
    let shown = state.withLock { state in
      var shown = Array(state.shown.values)
      for key in state.files.keys where shown.count < Self.mostShown && state.shown[key] == nil {
        shown.append(Shown(path: String(decoding: key, as: UTF8.self), reason: "see the producer's log", time: 0))
      }
      return shown
    }
    return shown.sorted { $0.path < $1.path }
  }

  /// The number of files that the broker refused.
  var byBroker: Int { state.withLock { $0.byBroker } }

  /// Forgets files that the broker refused and that no longer exist. Returns how many.
  func forgetMissing(_ exists: (_ path: String) -> Bool) -> Int {
    let keys = state.withLock { state in
      state.byBroker == 0 ? [] : state.files.filter(\.value.isByBroker).map(\.key)
    }
    let missing = keys.filter { !exists(String(decoding: $0, as: UTF8.self)) }
    return state.withLock { state in missing.count { state.put(nil, $0) } }
  }
}
