import Testing

@testable import Platform
@testable import Telemetry

@Suite struct HealthTests {
  private let health = Health()

  @Test("a side is alive from the start and ready once it has started") func readyOnceStarted() {
    #expect(health.report() == Health.Report(isAlive: true, isReady: false, reasons: ["starting"]))
    health.started()
    #expect(health.report() == Health.Report(isAlive: true, isReady: true, reasons: []))
  }

  @Test("each trouble is named until it is over") func troubleIsNamedUntilOver() {
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

  @Test("a stalled loop is not alive until it continues") func stalledLoopIsNotAlive() {
    health.started()
    let later = MonotonicClock.now + Health.patience
    let report = health.report(at: later + .seconds(1))
    #expect(!report.isAlive && !report.isReady)
    #expect(report.reasons == ["no sign of life for 61 s"])
    health.beat()
    #expect(health.report().isReady)
  }
}
