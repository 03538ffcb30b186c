import Testing

@testable import Platform

/// Processes are killed (SIGKILL) and started again at random, over images that keep coming: in the end each image is
/// there once, to the byte. A kill counts when its victim had done something since its start: a consumer had stored an
/// image, a producer had one acknowledged and in its ledger, and for a broker either of them.
///
/// The embedded broker is never killed, as it would forget everything; it hangs instead.
///
/// `make test-chaos` runs more of it; `CHAOS_SEED` repeats a schedule, `CHAOS_KILLS` sets how long it is.
@Suite(.ownThread, .serialized) struct ChaosTests {
  @Test func killedAtRandomNothingIsLostAndNothingIsTwice() throws {
    try expectExact(ChaosRun.Settings(seed: ChaosRun.Settings.anySeed, kills: ChaosRun.Settings.kills(or: 30)))
  }

  @Test("killed at random beside slow writers, nothing is lost that the producer deletes")
  func killedWhileFilesAreDeletedNothingIsLost() throws {
    var settings = ChaosRun.Settings(seed: ChaosRun.Settings.anySeed, kills: ChaosRun.Settings.kills(or: 30))
    settings.deletesSentFiles = true
    try expectExact(settings)
  }

  @Test func membersThatAreKilledStoppedAddedAndRemovedLoseAndDoubleNothing() throws {
    try expectExact(
      ChaosRun.Settings(
        seed: ChaosRun.Settings.anySeed, kills: ChaosRun.Settings.kills(or: 12), consumers: 3, isGroup: true,
        partitions: 6, leastImages: 250))
  }

  private func expectExact(_ settings: ChaosRun.Settings) throws {
    let repetition = "CHAOS_SEED=\(settings.seed) CHAOS_KILLS=\(settings.kills)"
    print(
      repetition + (settings.isGroup ? ", three consumers in one group" : "")
        + (settings.deletesSentFiles ? ", AFTER_SENT=delete and slow writers" : ""))
    do {
      let run = try ChaosRun(settings)
      try run.run()
      let isExact = run.faults.isEmpty
      #expect(isExact, "\(repetition) repeats it\n\(run.faults.joined(separator: "\n"))")
    } catch {
      Issue.record(error, "\(repetition) repeats it")
    }
  }
}
