import Platform
import Synchronization

/// The credentials of a client, obtained when they are first needed and renewed before they expire.
final class RenewedCredentials: Sendable {
  private struct State {
    var current: S3Credentials?
    var isRenewing = false
    /// When another attempt is due after one that failed.
    var nextAttempt: Int64 = 0
    /// Requests that wait for credentials.
    var waiting: [@Sendable (Result<S3Credentials, CredentialsError>) -> Void] = []
  }

  private let identity: S3Identity
  private let transfers: Transfers
  private let state = Mutex(State())

  /// How long before they expire credentials are renewed, in ms.
  private static let margin: Int64 = 300_000
  /// The time between two attempts while there are usable credentials, in ms.
  private let pause: Int64

  init(_ identity: S3Identity, _ transfers: Transfers, pause: Int64 = 10_000) {
    self.pause = pause
    self.identity = identity
    self.transfers = transfers
  }

  /// - Parameter completion: called once, here or on the thread of the transfers.
  func get(_ completion: @escaping @Sendable (Result<S3Credentials, CredentialsError>) -> Void) {
    let now = WallClock.milliseconds
    let (usable, renews) = state.withLock { state -> (S3Credentials?, Bool) in
      let expiry = state.current.map { $0.expiry ?? .max }
      let isUsable = expiry.map { $0 > now } ?? false
      let isDue = expiry.map { $0 - Self.margin <= now } ?? true
      let renews = isDue && !state.isRenewing && (!isUsable || state.nextAttempt <= now)
      if renews { state.isRenewing = true }
      if !isUsable { state.waiting.append(completion) }
      return (isUsable ? state.current : nil, renews)
    }
    if let usable { completion(.success(usable)) }
    if renews { renew() }
  }

  /// Whether others may be obtained.
  var mayChange: Bool { if case .keys = identity { false } else { true } }

  /// These were refused although their time is not over: others are obtained for the next request.
  func forget(_ refused: S3Credentials) {
    state.withLock { if $0.current == refused { $0.current = nil } }
  }

  private func renew() {
    switch identity {
    case .keys(let keys): finish(.success(keys))
    case .file(let path, let profile):
      finish(Result { () throws(CredentialsError) in try CredentialsFile.read(path, profile: profile) })
    case .webIdentity, .container:
      do {
        let request = try TemporaryCredentials.request(for: identity)!
        transfers.start(request) { [self] answer in
          finish(
            Result { () throws(CredentialsError) in
              try TemporaryCredentials.credentials(from: answer, for: identity, url: request.url)
            })
        }
      } catch { finish(.failure(error)) }
    }
  }

  private func finish(_ result: Result<S3Credentials, CredentialsError>) {
    let waiting = state.withLock { state in
      state.isRenewing = false
      switch result {
      case .success(let found): state.current = found
      case .failure: break
      }
      state.nextAttempt = WallClock.milliseconds + pause
      defer { state.waiting = [] }
      return state.waiting
    }
    for completion in waiting { completion(result) }
  }
}
