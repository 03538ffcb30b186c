import Platform
import Telemetry

/// The wait for a catalog's lock. Another consumer may hold it for as long as a large batch takes, or for ever if it is
/// suspended. The wait is logged after 5 s and then every 60 s, and ends when the run is to stop.
package final class LockWait {
  private let path: String
  private let log: Log
  private let stop: StopFlag
  private var since: MonotonicClock.Instant?
  private var nextWord = MonotonicClock.now

  /// The run was told to stop before the lock was free.
  package struct Ended: Error {}

  private static let patience = Duration.seconds(5)
  private static let interval = Duration.seconds(60)

  /// - Parameter path: the catalog's path.
  init(path: String, log: Log, stop: StopFlag) {
    self.path = path
    self.log = log
    self.stop = stop
  }

  /// To be called each time that the lock could not be taken.
  /// - Throws: `Ended` if the run is to stop.
  func tick() throws(Ended) {
    if stop.isSet { throw Ended() }
    let now = MonotonicClock.now
    if since == nil {
      since = now
      nextWord = now + Self.patience
    }
    guard now >= nextWord, let since else { return }
    nextWord = now + Self.interval
    log.warning(
      event: "catalog_locked",
      "waiting for the catalog lock, held by another consumer; if that process is suspended or hung, resume or kill it",
      ["catalog": .string(path), "seconds": .of((now - since).components.seconds)])
  }

  /// To be called when the lock was taken.
  func end() { since = nil }
}
