import Testing

@testable import Platform
@testable import Telemetry

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
