import Kafka
import Platform
import Synchronization

/// Holds the senders back while nothing that they send is accepted: the topic is missing, or the broker refuses all
/// messages until a person changes something. After a refusal, sending is tried again after a while, longer each time.
final class SendingHold: Sendable {
  private struct State {
    var isTopicMissing = false
    /// The last refusal since the last acknowledgement.
    var refusal: KafkaError?
    /// Nothing is sent before this time; nil: nothing was refused.
    var until: MonotonicClock.Instant?
    var backoff = Backoff(from: .seconds(10), to: .seconds(60))
  }

  /// Whether a refusal ends the run: a run that sends only existing files does not wait for a person.
  let endsRun: Bool
  private let state = Mutex(State())

  init(endsRun: Bool = false) { self.endsRun = endsRun }

  /// Whether to send nothing now.
  func isHeld(now: MonotonicClock.Instant = .now) -> Bool {
    state.withLock { $0.isTopicMissing || $0.until.map { now < $0 } ?? false }
  }

  /// Why the broker accepts nothing at the moment; nil if it accepts messages, as far as is known.
  var refusal: KafkaError? { state.withLock { $0.refusal } }

  var isTopicMissing: Bool { state.withLock { $0.isTopicMissing } }

  /// The broker refuses everything. Messages that were sent before the first refusal was known may be refused, too;
  /// these count as the same refusal.
  func refused(_ error: KafkaError, now: MonotonicClock.Instant = .now) {
    state.withLock { state in
      state.refusal = error
      if let until = state.until, now < until { return }
      state.until = now + state.backoff.failed()
    }
  }

  func topicIsMissing() { state.withLock { $0.isTopicMissing = true } }

  func topicIsThere() { state.withLock { $0.isTopicMissing = false } }

  /// Ends the refusal: the broker has accepted a message, or no image is waiting any more.
  /// - Returns: true if the broker refused messages before.
  func end() -> Bool {
    state.withLock { state in
      guard state.refusal != nil else { return false }
      (state.refusal, state.until) = (nil, nil)
      state.backoff.succeeded()
      return true
    }
  }

  /// Waits until sending is worthwhile, or `stop` is set.
  func wait(_ stop: StopFlag) {
    while isHeld(), !stop.wait(for: .milliseconds(50)) {}
  }
}
