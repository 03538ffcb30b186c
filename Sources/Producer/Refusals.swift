import Platform
import Synchronization

/// The files that could not be sent. Each is tried again when it changes; after a while, too, if the system or the broker was at
/// fault.
final class Refusals: Sendable {
  private struct Refusal {
    /// How the file looked; nil if it could not be inspected.
    let status: FileStatus?
    /// Monotonic ms; nil: not before it changes.
    var retry: Int64?
    /// How long was waited for that, in ms.
    var delay: Int64
    /// The broker refused it.
    let isByBroker: Bool
  }

  private struct State {
    /// By `pathKey`.
    var files: [[UInt8]: Refusal] = [:]
    var byBroker = 0

    mutating func put(_ refusal: Refusal?, _ key: [UInt8]) -> Bool {
      let before = refusal.map { files.updateValue($0, forKey: key) } ?? files.removeValue(forKey: key)
      byBroker += (refusal?.isByBroker == true ? 1 : 0) - (before?.isByBroker == true ? 1 : 0)
      return before != nil
    }
  }

  private let state = Mutex(State())
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

  /// - Parameters:
  ///   - isPassing: the disk, the system or the broker was at fault, and may not be the next time.
  ///   - isByBroker: the broker refused it: it waits for a person.
  func add(
    _ path: String, _ status: FileStatus?, isPassing: Bool = false, isByBroker: Bool = false,
    now: Int64 = Clock.monotonicMilliseconds
  ) -> News {
    state.withLock { state in
      if state.files.count >= Self.most { state = State() }
      let before = state.files[path.pathKey]
      let isSame = before.map { $0.status == status } ?? false
      let delay = isSame ? min(2 * before!.delay, Self.longestDelay) : Self.firstDelay
      _ = state.put(
        Refusal(status: status, retry: isPassing ? now + delay : nil, delay: delay, isByBroker: isByBroker),
        path.pathKey)
      return before == nil ? .first : isSame ? .none : .otherVersion
    }
  }

  /// Whether this version of a file is not to be tried at the moment. The refusal of an earlier version stays until the file is
  /// sent or gone: until then it is one that could not be sent.
  func contains(_ path: String, _ status: FileStatus, now: Int64 = Clock.monotonicMilliseconds) -> Bool {
    state.withLock { state in
      guard let known = state.files[path.pathKey], known.status == status else { return false }
      return known.retry.map { now < $0 } ?? true
    }
  }

  /// Returns true if it was there.
  func remove(_ path: String) -> Bool { state.withLock { $0.put(nil, path.pathKey) } }

  var count: Int { state.withLock { $0.files.count } }

  /// How many of them the broker refused.
  var byBroker: Int { state.withLock { $0.byBroker } }

  /// Forgets those that the broker refused and that do not exist any more. Returns how many.
  func forgetMissing(_ exists: (_ path: String) -> Bool) -> Int {
    let keys = state.withLock { state in
      state.byBroker == 0 ? [] : state.files.filter(\.value.isByBroker).map(\.key)
    }
    let missing = keys.filter { !exists(String(decoding: $0, as: UTF8.self)) }
    return state.withLock { state in missing.count { state.put(nil, $0) } }
  }
}
