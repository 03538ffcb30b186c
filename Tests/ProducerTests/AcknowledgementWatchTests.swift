import Testing

@testable import Cluster
@testable import Platform
@testable import Producer
@testable import Telemetry

/// Success is measured: the time without an acknowledgement while messages wait.
@Suite struct AcknowledgementWatchTests {
  private let health = Health()
  private var watch = AcknowledgementWatch()
  private let start = MonotonicClock.now

  @discardableResult
  private mutating func look(
    after seconds: Int, isWaiting: Bool = true, acknowledged: Int = 0, why: () -> BrokerTrouble? = { nil }
  ) -> Duration {
    watch.look(
      isWaiting: isWaiting, acknowledged: acknowledged, health, now: start + .seconds(seconds), why: why)
  }

  @Test("messages that wait for long are trouble until one is acknowledged")
  mutating func unacknowledgedIsTrouble() {
    health.started()
    look(after: 0, isWaiting: false)
    look(after: 14)
    #expect(health.report().isReady)
    look(after: 16)
    #expect(health.report().reasons == ["acknowledgements: none for 16 s, with messages outstanding"])
    look(after: 17, acknowledged: 1)
    #expect(health.report().isReady)
    // Another message waits from here on.
    look(after: 31, acknowledged: 1)
    #expect(health.report().isReady)
    look(after: 32, acknowledged: 1)
    #expect(!health.report().isReady)
  }

  @Test("the reason names what keeps the client from a broker")
  mutating func reasonNamesTheTrouble() {
    look(after: 0, isWaiting: false)
    look(after: 16) { BrokerTrouble(name: "_TRANSPORT", reason: "a:1/bootstrap: Connection refused") }
    #expect(health.report().reasons.first?.contains("a:1/bootstrap: Connection refused") == true)
  }

  @Test("nothing to acknowledge is no trouble, however long") mutating func nothingToAcknowledgeIsNoTrouble() {
    health.started()
    for seconds in [0, 100, 200] { look(after: seconds, isWaiting: false) }
    #expect(health.report().isReady)
  }

  @Test("the silence is measured, for a run that gives up") mutating func silenceIsMeasured() {
    look(after: 0, isWaiting: false)
    #expect(look(after: 60) == .seconds(60))
    #expect(look(after: 61, acknowledged: 1) == .zero)
  }
}
