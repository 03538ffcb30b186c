import Kafka
import Platform
import Synchronization

/// The files in progress, from the moment they are taken until the ledger has their line.
///
/// Each path is in it at most once, so that two versions of a file never overtake each other.
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

  fileprivate struct Claim {
    var changed = false
    /// Whether to look at the path again after this.
    var again = false
  }

  /// A path to look at again.
  struct Recheck: Equatable, Sendable {
    enum Reason: Equatable, Sendable {
      /// An event arrived while the file was in progress: its writer has closed it.
      case finished
      /// The file may have changed, or is to be tried again.
      case again
      /// The file is not finished. `tries`: how often it was taken too early.
      case unfinished(UnfinishedFile, tries: Int)
      /// The file was sent, and may not be moved or deleted yet. `looks`: how often that was tried too early.
      case unsettled(UnfinishedFile, looks: Int)
    }

    let path: String
    let reason: Reason
  }

  /// An image whose messages are in flight.
  struct Flight {
    let path: String
    let stamp: FileStamp
    let digest: Digest
    /// When the flight began.
    let begun = MonotonicClock.now
    var delivery: Ledger.Delivery
    var unacknowledged = 0
    /// False as long as more messages of the image will follow.
    var isWhole = false
    var failure: (any Error)?
  }

  // MARK: Paths

  /// Claims a path. Returns false if the path is in progress: then it is looked at again after that.
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

  /// Whether a path was given back to be looked at again, and that has not happened yet. Until then scans ignore the
  /// path.
  func isReturning(_ path: String) -> Bool { state.withLock { $0.returning.contains(path.pathKey) } }

  /// Gives a path back.
  /// - Parameter again: why to look at the path again, even if no event arrives. nil: only if somebody else has tried
  ///   to claim it in the meantime.
  func release(_ path: String, again: Recheck.Reason? = nil) { release([(path, again)]) }

  func release(_ paths: [(path: String, again: Recheck.Reason?)]) {
    state.withLock { state in
      for (path, again) in paths {
        let claim = state.claims.removeValue(forKey: path.pathKey)
        guard let reason = claim?.changed == true ? .finished : again ?? (claim?.again == true ? .again : nil) else {
          continue
        }
        state.giveBack(path, reason)
      }
    }
  }

  /// Has paths looked at again that are not claimed. If somebody else has claimed one, it is looked at again after that.
  func lookAgain(_ paths: [String]) {
    state.withLock { state in
      for path in paths {
        if state.claims[path.pathKey] == nil {
          state.giveBack(path, .again)
        } else {
          state.claims[path.pathKey]!.again = true
        }
      }
    }
  }

  /// The number of paths that are to be looked at again.
  var returningCount: Int { state.withLock { $0.recheck.count } }

  /// Returns the paths to look at again, and forgets them.
  func takeRechecks() -> [Recheck] {
    state.withLock { state in
      defer { (state.recheck, state.returning) = ([], []) }
      return state.recheck
    }
  }

  /// Whether nothing is in progress and nothing is to be looked at again.
  var isEmpty: Bool { state.withLock { $0.claims.isEmpty && $0.recheck.isEmpty } }
  /// Messages without an acknowledgement.
  var inFlight: Int { state.withLock { $0.messages.count } }
  /// Messages that the broker has acknowledged so far.
  var acknowledged: Int { state.withLock { $0.acknowledged } }

  // MARK: Flights

  /// - Parameter seen: when the file was found finished, in ms since 1970.
  func begin(_ path: String, _ stamp: FileStamp, _ digest: Digest, seen: Int64 = WallClock.milliseconds) -> UInt64 {
    let delivery = Ledger.Delivery(seen: seen, sent: WallClock.milliseconds)
    return state.withLock { state in
      state.lastToken += 1
      state.flights[state.lastToken] = Flight(path: path, stamp: stamp, digest: digest, delivery: delivery)
      return state.lastToken
    }
  }

  /// Announces an image that fits into one message. Returns its token.
  /// - Parameter seen: when the file was found finished, in ms since 1970.
  func announce(
    _ path: String, _ stamp: FileStamp, _ digest: Digest, bytes: Int, seen: Int64 = WallClock.milliseconds
  ) -> UInt64 {
    let delivery = Ledger.Delivery(seen: seen, sent: WallClock.milliseconds)
    return state.withLock { state in
      state.lastToken += 1
      let token = state.lastToken
      state.flights[token] = Flight(
        path: path, stamp: stamp, digest: digest, delivery: delivery, unacknowledged: 1, isWhole: true)
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

  /// Marks a flight as complete: no more messages of it will follow.
  /// - Parameter failure: why the image is not complete.
  /// - Returns: the flight if all of its messages have their reports; otherwise nil.
  func end(_ flight: UInt64, failure: (any Error)? = nil) -> Flight? {
    state.withLock { state in
      state.flights[flight]!.isWhole = true
      if let failure { state.flights[flight]!.failure = failure }
      return state.takeIfOver(flight)
    }
  }

  /// A message that has its delivery report.
  struct Settled {
    let bytes: Int
    /// The path of the message's image.
    let path: String
    /// The image's flight, if this report ended it.
    let flight: Flight?
  }

  /// Records the delivery report of a message. Returns nil if the token is unknown.
  /// - Parameter place: the message's partition and offset, if it was acknowledged.
  func settle(_ token: UInt64, failure: (any Error)? = nil, at place: (partition: Int32, offset: Int64)? = nil)
    -> Settled?
  {
    state.withLock { state in
      guard let message = state.messages.removeValue(forKey: token) else { return nil }
      if failure == nil { state.acknowledged += 1 }
      state.flights[message.flight]!.unacknowledged -= 1
      if let failure { state.flights[message.flight]!.failure = failure }
      if let place { state.flights[message.flight]!.delivery.add(place.partition, place.offset) }
      let path = state.flights[message.flight]!.path
      return Settled(bytes: message.bytes, path: path, flight: state.takeIfOver(message.flight))
    }
  }
}

extension Outbox.State {
  fileprivate mutating func takeIfOver(_ flight: UInt64) -> Outbox.Flight? {
    guard let state = flights[flight], state.isWhole, state.unacknowledged == 0 else { return nil }
    flights[flight]!.delivery.acknowledged = WallClock.milliseconds
    return flights.removeValue(forKey: flight)
  }

  fileprivate mutating func giveBack(_ path: String, _ reason: Outbox.Recheck.Reason) {
    recheck.append(Outbox.Recheck(path: path, reason: reason))
    returning.insert(path.pathKey)
  }
}
