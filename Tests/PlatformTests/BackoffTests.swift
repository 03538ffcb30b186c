import Testing

@testable import Platform

@Suite struct BackoffTests {
  @Test("each failure in a row doubles the wait, up to the limit") func waitDoubles() {
    var backoff = Backoff(from: .milliseconds(500), to: .seconds(3))
    #expect((0..<5).map { _ in backoff.failed() } == [500, 1_000, 2_000, 3_000, 3_000].map { .milliseconds($0) })
    #expect(backoff.hasFailed)
  }

  @Test("after a success the wait is the first one again") func successResets() {
    var backoff = Backoff(from: .seconds(1), to: .seconds(60))
    _ = (backoff.failed(), backoff.failed())
    backoff.succeeded()
    #expect(!backoff.hasFailed)
    #expect(backoff.failed() == .seconds(1))
  }

  @Test("no number of failures overflows") func manyFailuresAreFine() {
    var backoff = Backoff(from: .seconds(1), to: .seconds(60))
    for _ in 0..<1_000 { _ = backoff.failed() }
    #expect(backoff.failed() == .seconds(60))
  }
}
