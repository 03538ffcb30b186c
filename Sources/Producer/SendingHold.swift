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
    /// Nothing is sent before this time, in ms of the monotonic clock.
    var until: Int64 = 0
    var delay: Int64 = 0
  }

  /// Whether a refusal ends the run: a run that sends only existing files does not wait for a person.
  let endsRun: Bool
  private let state = Mutex(State())
  private static let firstDelay: Int64 = 10_000
  private static let longestDelay: Int64 = 60_000

  init(endsRun: Bool = false) { self.endsRun = endsRun }

  /// Whether to send nothing now.
  func isHeld(now: Int64 = Clock.monotonicMilliseconds) -> Bool {
    state.withLock { $0.isTopicMissing || now < $0.until }
  }

  /// Why the broker accepts nothing at the moment; nil if it accepts messages, as far as is known.
  var refusal: KafkaError? { state.withLock { $0.refusal } }

  var isTopicMissing: Bool { state.withLock { $0.isTopicMissing } }

  /// The broker refuses everything. Messages that were sent before the first refusal was known may be refused, too;
  /// these count as the same refusal.
  func refused(_ error: KafkaError, now: Int64 = Clock.monotonicMilliseconds) {
    state.withLock { state in
      state.refusal = error
      guard now >= state.until else { return }
      state.delay = state.delay == 0 ? Self.firstDelay : min(2 * state.delay, Self.longestDelay)
      state.until = now + state.delay
    }
  }

  func topicIsMissing() { state.withLock { $0.isTopicMissing = true } }

  func topicIsThere() { state.withLock { $0.isTopicMissing = false } }

  /// Ends the refusal: the broker has accepted a message, or no image is waiting any more.
  /// - Returns: true if the broker refused messages before.
  func end() -> Bool {
    state.withLock { state in
      guard state.refusal != nil else { return false }
      (state.refusal, state.until, state.delay) = (nil, 0, 0)
      return true
    }
  }

  /// Waits until sending is worthwhile, or `stop` is set.
  func wait(_ stop: StopFlag) {
    while isHeld(), !stop.wait(milliseconds: 50) {}
  }
}
