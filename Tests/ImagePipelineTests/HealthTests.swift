import Platform
import Testing

@testable import ImagePipeline

@Suite struct HealthTests {
  private let health = Health()

  @Test func itIsAliveFromTheStartAndReadyOnceItHasStarted() {
    #expect(health.report() == Health.Report(isAlive: true, isReady: false, reasons: ["starting"]))
    health.started()
    #expect(health.report() == Health.Report(isAlive: true, isReady: true, reasons: []))
  }

  @Test func eachTroubleIsNamedUntilItIsOver() {
    health.started()
    health.trouble(.output, "no space left")
    health.trouble(.broker, "away")
    #expect(
      health.report()
        == Health.Report(isAlive: true, isReady: false, reasons: ["broker: away", "output: no space left"]))
    health.well(.broker)
    health.well(.output)
    #expect(health.report().isReady)
  }

  @Test func aLoopThatStandsStillIsNotAliveUntilItGoesOn() {
    health.started()
    let later = Clock.monotonicMilliseconds + Health.patience
    let report = health.report(at: later + 1_000)
    #expect(!report.isAlive && !report.isReady)
    #expect(report.reasons == ["no sign of life for 61 s"])
    health.beat()
    #expect(health.report().isReady)
  }
}

/// What is measured is success: how long the broker has acknowledged nothing while messages wait for it.
@Suite struct AcknowledgementWatchTests {
  private let health = Health()
  private var watch = AcknowledgementWatch()
  private let start = Clock.monotonicMilliseconds

  @discardableResult
  private mutating func look(
    after seconds: Int64, isWaiting: Bool = true, acknowledged: Int = 0, why: () -> BrokerTrouble? = { nil }
  ) -> Int64 {
    watch.look(
      isWaiting: isWaiting, acknowledged: acknowledged, health, now: start + seconds * 1_000, why: why)
  }

  @Test("messages that wait for long are trouble until one is acknowledged")
  mutating func messagesThatWaitAreTrouble() {
    health.started()
    look(after: 0, isWaiting: false)
    look(after: 14)
    #expect(health.report().isReady)
    look(after: 16)
    #expect(health.report().reasons == ["acknowledgements: none for 16 s, and messages wait for them"])
    look(after: 17, acknowledged: 1)
    #expect(health.report().isReady)
    // Another one waits from here on.
    look(after: 31, acknowledged: 1)
    #expect(health.report().isReady)
    look(after: 32, acknowledged: 1)
    #expect(!health.report().isReady)
  }

  @Test("the reason names what keeps the client from a broker")
  mutating func theReasonNamesTheTrouble() {
    look(after: 0, isWaiting: false)
    look(after: 16) { BrokerTrouble(name: "_TRANSPORT", reason: "a:1/bootstrap: Connection refused") }
    #expect(health.report().reasons.first?.contains("wait for them: a:1/bootstrap: Connection refused") == true)
  }

  @Test("nothing to acknowledge is no trouble, however long") mutating func nothingToAcknowledgeIsNoTrouble() {
    health.started()
    for seconds: Int64 in [0, 100, 200] { look(after: seconds, isWaiting: false) }
    #expect(health.report().isReady)
  }

  @Test("the silence is told in ms, for a run that gives up") mutating func theSilenceIsTold() {
    look(after: 0, isWaiting: false)
    #expect(look(after: 60) == 60_000)
    #expect(look(after: 61, acknowledged: 1) == 0)
  }
}

/// A refusal is no acknowledgement, though the broker has answered.
@Suite struct RefusedMessageTests {
  private struct Refused: Error {}

  @Test("an outbox counts what the broker took, not what it refused") func refusalsAreNoAcknowledgements() {
    let outbox = Outbox()
    let stamp = FileStamp(size: 1, modified: 1, changed: 1, inode: 1)
    let flight = outbox.begin("a", stamp, SHA256.hash(UnsafeRawBufferPointer(start: nil, count: 0)))
    let tokens = [outbox.add(to: flight, bytes: 1), outbox.add(to: flight, bytes: 1)]
    _ = outbox.settle(tokens[0], failure: Refused())
    #expect(outbox.acknowledged == 0 && outbox.inFlight == 1)
    _ = outbox.settle(tokens[1])
    #expect(outbox.acknowledged == 1 && outbox.inFlight == 0)
  }
}
