import Platform
import Synchronization

/// Whether a side (producer or consumer) is alive and whether it works, as reported to its container and to anyone who
/// asks.
package final class Health: Sendable {
  /// The parts that can keep a side from working.
  package enum Part: String, Sendable {
    case broker, topic, output, catalog, csv, partitions, fetching, storing, segments, input, ledger, acknowledgements
    case sending, refusals
  }

  private struct State {
    var lastBeat = MonotonicClock.now
    var isStarted = false
    var troubles: [Part: String] = [:]
  }

  private let state = Mutex(State())

  /// Longer than any step between two beats takes unless it is stuck: a large batch on a slow disk.
  static let patience = Duration.seconds(60)

  package init() {}

  /// Records that the side's loop is running.
  package func beat() { state.withLock { $0.lastBeat = MonotonicClock.now } }

  /// Records that the side has everything it needs, for the first time.
  package func started() { state.withLock { $0.isStarted = true } }

  package func trouble(_ part: Part, _ reason: String) { state.withLock { $0.troubles[part] = reason } }

  package func well(_ part: Part) { state.withLock { $0.troubles[part] = nil } }

  package struct Report: Equatable, Sendable {
    /// The loop is running. A process for which this is false should be restarted.
    let isAlive: Bool
    /// Everything that the work needs is available.
    let isReady: Bool
    /// The reasons why not, one line each.
    let reasons: [String]
  }

  func report(at now: MonotonicClock.Instant = .now) -> Report {
    state.withLock { state in
      let isAlive = now - state.lastBeat < Self.patience
      var reasons = state.troubles.sorted { $0.key.rawValue < $1.key.rawValue }.map {
        "\($0.key.rawValue): \($0.value)"
      }
      if !isAlive { reasons.append("no sign of life for \((now - state.lastBeat).components.seconds) s") }
      if !state.isStarted, reasons.isEmpty { reasons.append("starting") }
      return Report(isAlive: isAlive, isReady: isAlive && state.isStarted && state.troubles.isEmpty, reasons: reasons)
    }
  }
}
