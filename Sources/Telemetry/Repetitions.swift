package import Platform
import Synchronization

/// Suppresses repetitions: each text is reported at most once per interval, with the number of times it was suppressed.
package final class Repetitions: Sendable {
  private struct Said {
    var next: MonotonicClock.Instant
    var unsaid = 0
  }

  private let interval: Duration
  private let said = Mutex<[String: Said]>([:])
  /// The maximum number of different texts. Beyond it, texts are forgotten and may be reported again.
  private static let most = 1_000

  /// - Parameter interval: how long the same text is suppressed.
  package init(interval: Duration) { self.interval = interval }

  /// Counts a text that is to be reported.
  ///
  /// - Returns: how often the text has been suppressed since its last report; nil if it must not be reported now.
  package func note(_ text: String, now: MonotonicClock.Instant = .now) -> Int? {
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
