import TestSupport
import Testing

@testable import Consumer

@Suite struct IdleWatchTests {
  private func isOver(_ idle: inout IdleWatch, _ allStored: Bool, at milliseconds: Int) -> Bool {
    idle.update(allStored: allStored, now: moment(milliseconds))
  }

  @Test("a run ends when everything has been stored for the idle time") func idleEndsAfterItsTime() {
    var idle = IdleWatch(limit: .seconds(1))
    #expect(isOver(&idle, true, at: 5_000) == false)
    #expect(isOver(&idle, true, at: 5_999) == false)
    #expect(isOver(&idle, true, at: 6_000) == true)
  }

  @Test("a new message restarts the idle time") func newMessageRestartsIdleTime() {
    var idle = IdleWatch(limit: .seconds(1))
    _ = isOver(&idle, true, at: 0)
    #expect(isOver(&idle, false, at: 900) == false)
    #expect(isOver(&idle, true, at: 1_800) == false)
    idle.reset()
    #expect(isOver(&idle, true, at: 2_800) == false)
    #expect(isOver(&idle, true, at: 3_800) == true)
  }

  @Test("a run without an idle time never ends") func noIdleTimeNeverEnds() {
    var idle = IdleWatch(limit: nil)
    #expect(isOver(&idle, true, at: 0) == false)
    #expect(isOver(&idle, true, at: 1_000_000_000) == false)
  }

  @Test("a run with an idle time of zero ends at once") func zeroIdleTimeEndsAtOnce() {
    var idle = IdleWatch(limit: .zero)
    #expect(isOver(&idle, false, at: 0) == false)
    #expect(isOver(&idle, true, at: 0) == true)
  }
}
