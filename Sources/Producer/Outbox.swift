import Kafka
import Platform
import Synchronization

/// The files that are being worked on, from the moment they are taken to their line in the ledger.
///
/// A path is here at most once, so that two versions of a file never overtake each other.
final class Outbox: Sendable {
  private let state = Mutex(State())

  fileprivate struct State {
    /// By `pathKey`.
    var claims: [[UInt8]: Claim] = [:]
    var flights: [UInt64: Flight] = [:]
    var messages: [UInt64: (flight: UInt64, bytes: Int)] = [:]
    var lastToken: UInt64 = 0
    var acknowledged = 0
    var recheck: [Recheck] = []
    /// The paths of `recheck`, by `pathKey`.
    var returning: Set<[UInt8]> = []
  }

  fileprivate struct Claim { var changed = false }

  /// A path that is to be looked at again.
  struct Recheck: Equatable, Sendable {
    enum Reason: Equatable, Sendable {
      /// An event came while it was being worked on: its writer has closed it.
      case finished
      /// It may have changed, or it is to be tried again.
      case again
      /// It is not finished. `tries`: how often it was taken too early.
      case unfinished(UnfinishedFile, tries: Int)
      /// It was sent, and may not be moved or deleted yet. `looks`: how often that was tried too early.
      case unsettled(UnfinishedFile, looks: Int)
    }

    let path: String
    let reason: Reason
  }

  /// An image whose messages are on their way.
  struct Flight {
    let path: String
    let stamp: FileStamp
    let digest: Digest
    /// By the monotonic clock, in ms.
    let begun = Clock.monotonicMilliseconds
    var unacknowledged = 0
    /// False while more messages of it are to come.
    var isWhole = false
    var failure: (any Error)?
  }

  // MARK: Paths

  /// Takes a path. False where it is being worked on: then it will be looked at again once that is done.
  func claim(_ path: String) -> Bool {
    state.withLock { state in
      if state.claims[path.pathKey] != nil {
        state.claims[path.pathKey]!.changed = true
        return false
      }
      state.claims[path.pathKey] = Claim()
      return true
    }
  }

  func isClaimed(_ path: String) -> Bool { state.withLock { $0.claims[path.pathKey] != nil } }

  /// Whether a path was given back to be looked at again, and is not yet. Until then a scan leaves it alone.
  func isReturning(_ path: String) -> Bool { state.withLock { $0.returning.contains(path.pathKey) } }

  /// Gives a path back.
  /// - Parameter again: why to look at it once more, even if no event comes; nil: not before.
  func release(_ path: String, again: Recheck.Reason? = nil) { release([(path, again)]) }

  func release(_ paths: [(path: String, again: Recheck.Reason?)]) {
    state.withLock { state in
      for (path, again) in paths {
        let isFinished = state.claims.removeValue(forKey: path.pathKey)?.changed == true
        guard let reason = isFinished ? .finished : again else { continue }
        state.recheck.append(Recheck(path: path, reason: reason))
        state.returning.insert(path.pathKey)
      }
    }
  }

  /// The paths that are to be looked at again.
  func takeRechecks() -> [Recheck] {
    state.withLock { state in
      defer { (state.recheck, state.returning) = ([], []) }
      return state.recheck
    }
  }

  /// Nothing is being worked on and nothing is to be looked at again.
  var isEmpty: Bool { state.withLock { $0.claims.isEmpty && $0.recheck.isEmpty } }
  /// Messages without an acknowledgement.
  var inFlight: Int { state.withLock { $0.messages.count } }
  /// Messages that the broker has taken so far.
  var acknowledged: Int { state.withLock { $0.acknowledged } }

  // MARK: Flights

  func begin(_ path: String, _ stamp: FileStamp, _ digest: Digest) -> UInt64 {
    state.withLock { state in
      state.lastToken += 1
      state.flights[state.lastToken] = Flight(path: path, stamp: stamp, digest: digest)
      return state.lastToken
    }
  }

  /// Announces an image that is one message. Returns its token.
  func announce(_ path: String, _ stamp: FileStamp, _ digest: Digest, bytes: Int) -> UInt64 {
    state.withLock { state in
      state.lastToken += 1
      let token = state.lastToken
      state.flights[token] = Flight(path: path, stamp: stamp, digest: digest, unacknowledged: 1, isWhole: true)
      state.messages[token] = (token, bytes)
      return token
    }
  }

  /// Announces one message of a flight. Returns its token.
  func add(to flight: UInt64, bytes: Int) -> UInt64 {
    state.withLock { state in
      state.lastToken += 1
      state.flights[flight]!.unacknowledged += 1
      state.messages[state.lastToken] = (flight, bytes)
      return state.lastToken
    }
  }

  /// No more messages of this flight will come.
  /// - Parameter failure: why it is not the whole image.
  /// - Returns: the flight where it has ended.
  func end(_ flight: UInt64, failure: (any Error)? = nil) -> Flight? {
    state.withLock { state in
      state.flights[flight]!.isWhole = true
      if let failure { state.flights[flight]!.failure = failure }
      return state.takeIfOver(flight)
    }
  }

  /// What is known of a message that has its report.
  struct Settled {
    let bytes: Int
    /// Its image's.
    let path: String
    /// Where that has ended with it.
    let flight: Flight?
  }

  /// A message has its report.
  func settle(_ token: UInt64, failure: (any Error)? = nil) -> Settled? {
    state.withLock { state in
      guard let message = state.messages.removeValue(forKey: token) else { return nil }
      if failure == nil { state.acknowledged += 1 }
      state.flights[message.flight]!.unacknowledged -= 1
      if let failure { state.flights[message.flight]!.failure = failure }
      let path = state.flights[message.flight]!.path
      return Settled(bytes: message.bytes, path: path, flight: state.takeIfOver(message.flight))
    }
  }
}

extension Outbox.State {
  fileprivate mutating func takeIfOver(_ flight: UInt64) -> Outbox.Flight? {
    guard let state = flights[flight], state.isWhole, state.unacknowledged == 0 else { return nil }
    return flights.removeValue(forKey: flight)
  }
}
