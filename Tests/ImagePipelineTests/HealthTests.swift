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

@Suite struct AcknowledgementWatchTests {
  private let health = Health()
  private let outbox = Outbox()
  private var watch = AcknowledgementWatch()

  private func message() -> UInt64 {
    let stamp = FileStamp(size: 1, modified: 1, changed: 1, inode: 1)
    let flight = outbox.begin("a", stamp, SHA256.hash(UnsafeRawBufferPointer(start: nil, count: 0)))
    return outbox.add(to: flight, bytes: 1)
  }

  @Test mutating func messagesThatWaitForLongAreTroubleUntilOneIsAcknowledged() {
    health.started()
    let start = Clock.monotonicMilliseconds
    let tokens = [message(), message()]
    watch.look(at: outbox, health, now: start)
    watch.look(at: outbox, health, now: start + 14_000)
    #expect(health.report().isReady)
    watch.look(at: outbox, health, now: start + 16_000)
    #expect(health.report().reasons == ["acknowledgements: none for 16 s, and messages wait for them"])
    _ = outbox.settle(tokens[0])
    watch.look(at: outbox, health, now: start + 17_000)
    #expect(health.report().isReady)
    // The other one waits anew.
    watch.look(at: outbox, health, now: start + 31_000)
    #expect(health.report().isReady)
    watch.look(at: outbox, health, now: start + 32_000)
    #expect(!health.report().isReady)
  }

  @Test mutating func theyAreSaidWithWhatKeepsThem() {
    let start = Clock.monotonicMilliseconds
    _ = message()
    watch.look(at: outbox, health, now: start)
    watch.look(at: outbox, health, now: start + 16_000) {
      BrokerTrouble(name: "_TRANSPORT", reason: "a:1/bootstrap: Connection refused")
    }
    #expect(health.report().reasons.first?.contains("wait for them: a:1/bootstrap: Connection refused") == true)
  }

  @Test mutating func nothingToAcknowledgeIsNoTrouble() {
    health.started()
    let start = Clock.monotonicMilliseconds
    for seconds in [0, 100, 200] { watch.look(at: outbox, health, now: start + Int64(seconds) * 1_000) }
    #expect(health.report().isReady)
  }
}
