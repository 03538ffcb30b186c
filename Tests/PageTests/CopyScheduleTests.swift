import Testing

@testable import Page
@testable import Platform

/// When the copy of a bucket's log is brought up to date.
@Suite struct CopyScheduleTests {
  private let start = MonotonicClock.now
  private var schedule = CopySchedule(BucketCopy.Pace())

  private func at(_ seconds: Double) -> MonotonicClock.Instant { start + .milliseconds(Int(seconds * 1_000)) }

  /// - Parameter asked: seconds from the start.
  private func due(_ seconds: Double, asked: Double?) -> CopySchedule.Look? {
    schedule.due(at: at(seconds), asked: asked.map { at($0) })
  }

  @Test("the first look is at everything, whether somebody watches or not") func firstLook() {
    #expect(due(0, asked: nil) == .everything)
  }

  @Test("while somebody watches there is a look every second, and a search every five") mutating func watched() {
    schedule.succeeded(.everything, at: at(0))
    #expect(due(0.9, asked: 0.9) == nil)
    #expect(due(1, asked: 1) == .follow)
    schedule.succeeded(.follow, at: at(4.5))
    #expect(due(5, asked: 5) == nil)
    #expect(due(5.5, asked: 5.5) == .search)
    schedule.succeeded(.search, at: at(5.5))
    #expect(due(6.5, asked: 6.5) == .follow)
  }

  @Test("half a minute after the last watcher there are few looks") mutating func idle() {
    schedule.succeeded(.everything, at: at(0))
    #expect(due(29, asked: 0) == .search)
    #expect(due(31, asked: 0) == nil)
    #expect(due(299, asked: nil) == nil)
    #expect(due(300, asked: nil) == .everything)
  }

  @Test("a watcher who comes back sees everything that was stored meanwhile") mutating func watcherComesBack() {
    schedule.succeeded(.everything, at: at(0))
    #expect(due(40, asked: 40) == .everything)
  }

  @Test("from time to time everything is looked at, also while somebody watches") mutating func everything() {
    schedule.succeeded(.everything, at: at(0))
    schedule.succeeded(.follow, at: at(299))
    #expect(due(300, asked: 300) == .everything)
  }

  @Test("the pauses after failures grow, up to a bound, and a success ends them") mutating func failures() {
    for pause in [1.0, 2, 4, 8, 16, 30, 30] {
      schedule.failed(at: at(0))
      #expect(due(pause - 0.1, asked: 0) == nil)
      #expect(due(pause, asked: nil) == .everything)
    }
    schedule.succeeded(.everything, at: at(100))
    #expect(due(101, asked: 101) == .follow)
    schedule.failed(at: at(200))
    #expect(due(201, asked: nil) == .everything)
  }
}
