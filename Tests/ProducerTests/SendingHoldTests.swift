import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import Producer

/// Refused messages are not sent again at once.
@Suite struct SendingHoldTests {
  private let hold = SendingHold()
  private let start = MonotonicClock.now
  private let refusal: KafkaError

  init() throws { refusal = try Self.refusal() }

  /// Any library error will do.
  private static func refusal() throws -> KafkaError {
    try #require(throws: KafkaError.self) { try KafkaConsumer(KafkaSettings(), topic: "images") }
  }

  private func isHeld(after seconds: Int) -> Bool { hold.isHeld(now: start + .seconds(seconds)) }

  @Test("a refusal holds sending back, longer each time, a minute at most") func refusalsHoldBack() {
    var seconds = 0
    for delay in [10, 20, 40, 60, 60] {
      hold.refused(refusal, now: start + .seconds(seconds))
      #expect(isHeld(after: seconds + delay - 1) && !isHeld(after: seconds + delay))
      seconds += delay
    }
  }

  @Test("the reports of one burst are one refusal") func oneBurstIsOneRefusal() {
    for number in 0..<100 { hold.refused(refusal, now: start + .milliseconds(number)) }
    #expect(isHeld(after: 9) && !isHeld(after: 10))
  }

  @Test("an acknowledgement ends the hold, and the next refusal starts at 10 s again") func acknowledgementEndsHold() {
    hold.refused(refusal, now: start)
    hold.refused(refusal, now: start + .seconds(10))
    #expect(hold.end())
    #expect(hold.refusal == nil && !isHeld(after: 11))
    #expect(!hold.end(), "once")
    hold.refused(refusal, now: start + .seconds(20))
    #expect(isHeld(after: 29) && !isHeld(after: 30))
  }

  @Test("a missing topic holds sending until it exists") func missingTopicHolds() {
    hold.topicIsMissing()
    #expect(isHeld(after: 1_000))
    hold.topicIsThere()
    #expect(!isHeld(after: 0))
  }
}
