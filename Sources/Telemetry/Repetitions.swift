import Platform
import Synchronization

/// Holds back what would be said again and again: each thing is said once in a while, with how often it was not.
package final class Repetitions: Sendable {
  private struct Said {
    var next: Int64
    var unsaid = 0
  }

  private let interval: Int64
  private let said = Mutex<[String: Said]>([:])
  /// More different things than these are forgotten, and may be said again.
  private static let most = 1_000

  /// - Parameter intervalMilliseconds: how long the same is not said again.
  package init(intervalMilliseconds: Int) { interval = Int64(intervalMilliseconds) }

  /// Asks whether to say it.
  ///
  /// - Parameter now: ms, by the monotonic clock.
  /// - Returns: how often it was not said since it was; nil where it is not to be said now.
  package func unsaid(of text: String, now: Int64 = Clock.monotonicMilliseconds) -> Int? {
    said.withLock { said in
      if let known = said[text], now < known.next {
        said[text]!.unsaid += 1
        return nil
      }
      if said.count >= Self.most { said = said.filter { now < $0.value.next } }
      if said.count >= Self.most { said = [:] }
      let unsaid = said[text]?.unsaid ?? 0
      said[text] = Said(next: now + interval)
      return unsaid
    }
  }
}
