import Testing

@testable import Consumer
@testable import Platform
@testable import Telemetry

/// A consumer's success is a stored batch, not activity.
@Suite struct StoringWatchTests {
  private let health = Health()
  private var watch = StoringWatch()
  private let start = MonotonicClock.now

  init() { health.started() }

  private mutating func look(after seconds: Int, lag: Int, stored: Int64 = 0, epoch: Int = 0) {
    watch.look(lag: lag, stored: stored, epoch: epoch, health, now: start + .seconds(seconds))
  }

  @Test("messages that wait while nothing is stored are trouble until a batch is stored")
  mutating func nothingStoredIsTrouble() {
    look(after: 0, lag: 0)
    look(after: 29, lag: 7)
    #expect(health.report().isReady)
    look(after: 31, lag: 7)
    #expect(health.report().reasons == ["storing: no message was stored for 31 s; 7 are waiting"])
    look(after: 32, lag: 6, stored: 1)
    #expect(health.report().isReady)
    look(after: 61, lag: 6, stored: 1)
    #expect(health.report().isReady)
    look(after: 62, lag: 6, stored: 1)
    #expect(!health.report().isReady)
  }

  @Test("nothing to store is no trouble, however long") mutating func nothingToStoreIsNoTrouble() {
    for seconds in [0, 100, 1_000] { look(after: seconds, lag: 0) }
    #expect(health.report().isReady)
  }

  @Test("a new assignment restarts the clock") mutating func assignmentRestartsTheClock() {
    look(after: 0, lag: 0)
    look(after: 31, lag: 5)
    #expect(!health.report().isReady)
    look(after: 32, lag: 5, epoch: 1)
    #expect(health.report().isReady)
  }

  @Test("a leader that does not answer for long is named until it does")
  mutating func silentLeaderIsNamed() {
    let silence = LeaderInquiry.Silence(partition: 3, since: start, reason: "timed out")
    watch.look(lag: 0, stored: 0, epoch: 0, silence: silence, health, now: start + .seconds(5))
    #expect(health.report().isReady)
    watch.look(lag: 0, stored: 0, epoch: 0, silence: silence, health, now: start + .seconds(40))
    #expect(health.report().reasons.first?.contains("partition 3") == true)
    look(after: 41, lag: 0)
    #expect(health.report().isReady)
  }
}
