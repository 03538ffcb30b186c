import TestSupport
import Testing

@testable import Platform
@testable import Producer

private struct Failure: Error {}

@Suite struct OutboxTests {
  private let outbox = Outbox()
  private let stamp = FileStamp(size: 1, modified: 2, changed: 3, inode: 4)

  private func begin(_ path: String) -> UInt64 { outbox.begin(path, stamp, digest(of: path)) }

  // MARK: Paths

  @Test("a path is claimed once") func pathIsClaimedOnce() {
    #expect(outbox.claim("a"))
    #expect(!outbox.claim("a"))
    #expect(outbox.isClaimed("a"))
    #expect(outbox.claim("b"))
    outbox.release("a")
    #expect(!outbox.isClaimed("a") && outbox.isReturning("a"))
    _ = outbox.takeRechecks()
    #expect(!outbox.isReturning("a"))
    #expect(outbox.claim("a"))
  }

  @Test("a file that changes while it is sent is checked again") func changedFileIsCheckedAgain() {
    _ = outbox.claim("a")
    _ = outbox.claim("a")
    _ = outbox.claim("a")
    #expect(outbox.takeRechecks() == [])
    outbox.release("a")
    #expect(!outbox.isEmpty)
    #expect(outbox.takeRechecks().map(\.path) == ["a"])
    #expect(outbox.takeRechecks() == [])
    #expect(outbox.isEmpty)
  }

  @Test("an unchanged file is not checked again") func unchangedFileIsDone() {
    _ = outbox.claim("a")
    outbox.release("a")
    #expect(outbox.takeRechecks() == [])
    #expect(outbox.isEmpty)
  }

  @Test("a released path can be retried") func releasedPathIsRetried() {
    _ = outbox.claim("a")
    outbox.release("a", again: .again)
    #expect(outbox.takeRechecks().map(\.path) == ["a"])
  }

  @Test("releasing an unclaimed path is harmless") func unclaimedReleaseIsHarmless() {
    outbox.release("a")
    #expect(outbox.isEmpty)
  }

  @Test("names with different Unicode forms are two") func similarNamesAreTwo() {
    let (composed, decomposed) = ("\u{E9}.jpg", "e\u{301}.jpg")
    #expect(outbox.claim(composed))
    #expect(!outbox.isClaimed(decomposed))
    #expect(outbox.claim(decomposed))
    outbox.release(composed)
    #expect(outbox.isClaimed(decomposed))
    #expect(outbox.takeRechecks() == [])
  }

  // MARK: Flights

  @Test("a flight ends with its last report") func flightEndsWithLastReport() throws {
    let flight = begin("a")
    let tokens = (0..<3).map { _ in outbox.add(to: flight, bytes: 10) }
    #expect(Set(tokens).count == 3)
    #expect(outbox.inFlight == 3)
    let first = outbox.settle(tokens[0])
    #expect(first?.bytes == 10 && first?.path == "a")
    #expect(outbox.end(flight) == nil)
    // Out of order.
    #expect(outbox.settle(tokens[2])?.flight == nil)
    let ended = try #require(outbox.settle(tokens[1])?.flight)
    #expect(ended.path == "a")
    #expect(ended.stamp == stamp)
    #expect(ended.failure == nil)
    #expect(outbox.inFlight == 0)
  }

  @Test("a flight whose reports come early ends when it is complete") func earlyReportsEndAtTheEnd() {
    let flight = begin("a")
    let token = outbox.add(to: flight, bytes: 10)
    #expect(outbox.settle(token)?.flight == nil)
    #expect(outbox.end(flight)?.path == "a")
  }

  @Test("one failed message fails the flight, and the others are still awaited") func oneFailureFailsTheFlight() throws
  {
    let flight = begin("a")
    let tokens = (0..<3).map { _ in outbox.add(to: flight, bytes: 10) }
    _ = outbox.end(flight)
    #expect(outbox.settle(tokens[0], failure: Failure())?.flight == nil)
    #expect(outbox.settle(tokens[1])?.flight == nil)
    let ended = try #require(outbox.settle(tokens[2])?.flight)
    #expect(ended.failure is Failure)
  }

  @Test("an image in one message ends with its report") func singleMessageEndsWithReport() throws {
    let (one, other) = (
      outbox.announce("a", stamp, digest(of: "a"), bytes: 10), outbox.announce("b", stamp, digest(of: "b"), bytes: 20)
    )
    #expect(outbox.inFlight == 2)
    let settled = try #require(outbox.settle(other, failure: Failure()))
    #expect(settled.bytes == 20 && settled.flight?.path == "b" && settled.flight?.failure is Failure)
    let ended = try #require(outbox.settle(one)?.flight)
    #expect(ended.path == "a" && ended.failure == nil && outbox.inFlight == 0)
  }

  @Test("a flight without messages ends at once") func emptyFlightEndsAtOnce() throws {
    let ended = try #require(outbox.end(begin("a"), failure: Failure()))
    #expect(ended.failure is Failure)
  }

  @Test("a repeated report counts once") func repeatedReportCountsOnce() {
    let flight = begin("a")
    let token = outbox.add(to: flight, bytes: 10)
    _ = outbox.add(to: flight, bytes: 10)
    _ = outbox.end(flight)
    #expect(outbox.settle(token) != nil)
    #expect(outbox.settle(token) == nil)
    #expect(outbox.settle(999) == nil)
    #expect(outbox.inFlight == 1)
  }

  @Test("flights do not mix") func flightsDoNotMix() {
    let (one, other) = (begin("a"), begin("b"))
    let tokens = (outbox.add(to: one, bytes: 1), outbox.add(to: other, bytes: 2))
    _ = outbox.end(one)
    _ = outbox.end(other)
    #expect(outbox.settle(tokens.1, failure: Failure())?.flight?.path == "b")
    let ended = outbox.settle(tokens.0)?.flight
    #expect(ended?.path == "a")
    #expect(ended?.failure == nil)
  }
}

@Suite struct RefusalsTests {
  private let refusals = Refusals()

  private func status(_ size: Int) -> FileStatus {
    FileStatus(kind: .regular, size: size, modified: 1, changed: 1, inode: 1, device: 1)
  }

  @Test("a refused file is retried when it has changed, and not before")
  func changedFileIsRetried() {
    #expect(!refusals.contains("a", status(1)))
    #expect(refusals.add("a", status(1)) == .first)
    #expect(refusals.contains("a", status(1)))
    #expect(refusals.contains("a", status(1)))
    #expect(!refusals.contains("a", status(2)))
  }

  @Test("a refused file that has changed still counts until it is sent")
  func changedFileStillCounts() {
    _ = refusals.add("a", status(1))
    #expect(!refusals.contains("a", status(2)))
    #expect(refusals.count == 1)
    #expect(refusals.remove("a"))
    #expect(!refusals.remove("a"))
  }

  @Test("the same refusal is no news, one of another version is")
  func sameRefusalIsNoNews() {
    #expect(refusals.add("a", status(1)) == .first)
    #expect(refusals.add("a", status(1)) == .none)
    #expect(refusals.add("a", status(2)) == .otherVersion)
    #expect(refusals.add("b", status(2)) == .first)
  }

  @Test("a temporary refusal is retried with increasing delays") func temporaryRefusalBacksOff() {
    var now = MonotonicClock.now
    for (number, seconds) in [10, 20, 40, 60, 60].enumerated() {
      #expect(refusals.add("a", status(1), isPassing: true, now: now) == (number == 0 ? .first : .none))
      #expect(refusals.contains("a", status(1), now: now + .seconds(seconds) - .milliseconds(1)))
      now += .seconds(seconds)
      #expect(!refusals.contains("a", status(1), now: now))
    }
    // Another version is a different case.
    #expect(refusals.add("a", status(2), isPassing: true, now: now) == .otherVersion)
    #expect(!refusals.contains("a", status(2), now: now + .seconds(10)))
  }

  @Test("a file that could not be inspected is retried") func uninspectedFileIsRetried() {
    #expect(refusals.add("a", nil) == .first)
    #expect(refusals.add("a", nil) == .none)
    #expect(!refusals.contains("a", status(1)))
  }

  @Test("names with different Unicode forms are two") func similarNamesAreTwo() {
    #expect(refusals.add("\u{E9}.jpg", status(1)) == .first)
    #expect(!refusals.contains("e\u{301}.jpg", status(1)))
    #expect(refusals.add("e\u{301}.jpg", status(1)) == .first)
    #expect(refusals.count == 2)
  }

  @Test("refused files are shown with their last reasons until they are sent") func reasonsAreShown() {
    _ = refusals.add("b", status(1), reason: "too large")
    _ = refusals.add("a", status(1), reason: "no rights")
    _ = refusals.add("b", status(2), reason: "still too large")
    #expect(refusals.shown.map(\.path) == ["a", "b"])
    #expect(refusals.shown.map(\.reason) == ["no rights", "still too large"])
    _ = refusals.remove("a")
    #expect(refusals.shown.map(\.path) == ["b"])
  }

  @Test("more refused files than are shown follow when others are sent") func othersFollow() {
    let names = (100..<250).map { "\($0)" }
    for name in names { _ = refusals.add(name, nil, reason: "why") }
    #expect(refusals.shown.map(\.path) == Array(names.prefix(100)))
    for name in names.prefix(100) { _ = refusals.remove(name) }
    #expect(refusals.shown.map(\.path) == Array(names.suffix(50)))
    #expect(refusals.shown.allSatisfy { !$0.reason.isEmpty })
  }

  @Test("memory is bounded") func memoryIsBounded() {
    for number in 0..<100_000 { _ = refusals.add("\(number)", nil, reason: "why") }
    #expect(refusals.shown.count == 100)
    _ = refusals.add("one more", nil)
    #expect(refusals.count < 100_000 && refusals.shown.count < 100)
  }
}
