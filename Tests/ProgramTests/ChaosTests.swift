import TestSupport
import Testing

@testable import Platform

/// Processes are killed (SIGKILL) and restarted at random while images keep arriving. In the end each image is stored
/// once, byte for byte. A kill counts if its victim had done some work since its start: a consumer had stored an image,
/// a producer had one acknowledged and recorded; for a broker, either of them.
///
/// The embedded broker would forget everything if killed, so it is suspended instead.
///
/// `make test-chaos` runs longer; `CHAOS_SEED` repeats a schedule, `CHAOS_KILLS` sets its length.
@Suite(.ownThread, .serialized) struct ChaosTests {
  @Test("processes that are killed at random lose and duplicate nothing") func killedAtRandom() throws {
    try expectExact(ChaosRun.Settings(seed: ChaosRun.Settings.anySeed, kills: ChaosRun.Settings.kills(or: 30)))
  }

  @Test("a producer that deletes files next to slow writers loses nothing when killed at random")
  func killedWhileFilesAreDeleted() throws {
    var settings = ChaosRun.Settings(seed: ChaosRun.Settings.anySeed, kills: ChaosRun.Settings.kills(or: 30))
    settings.deletesSentFiles = true
    try expectExact(settings)
  }

  @Test("group members that are killed, suspended, added and removed lose and duplicate nothing")
  func membersComeAndGo() throws {
    try expectExact(
      ChaosRun.Settings(
        seed: ChaosRun.Settings.anySeed, kills: ChaosRun.Settings.kills(or: 12), consumers: 3, isGroup: true,
        partitions: 6, leastImages: 250))
  }

  @Test(
    "files are deleted only when both outputs have their images, although the topic loses messages",
    .enabled("needs a real broker") { Broker.realServers != nil })
  func recordsAreDeleted() throws {
    let settings = ChaosRun.Settings(seed: ChaosRun.Settings.anySeed, kills: ChaosRun.Settings.kills(or: 20))
    let repetition = "CHAOS_SEED=\(settings.seed) CHAOS_KILLS=\(settings.kills)"
    print(repetition + ", AFTER_SENT=delete, two outputs, messages are deleted from the topic")
    let run = try ForgettingRun(settings, on: #require(Broker.realServers))
    try run.run()
    let isExact = run.faults.isEmpty
    #expect(isExact, "\(repetition) repeats it\n\(run.faults.joined(separator: "\n"))")
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
