import TestSupport
import Testing

@testable import Platform
@testable import Producer

/// The test controls the time: `now` in ms, `wall` in ns.
@Suite struct SettlingTests {
  private let wall: Int64 = 1_800_000_000_000_000_000

  private func status(_ size: Int, age: Int64 = 0, inode: UInt64 = 1) -> FileStatus {
    let time = wall - age * 1_000_000_000
    return FileStatus(kind: .regular, size: size, modified: time, changed: time, inode: inode, device: 1)
  }

  private let waiting = Settling.Verdict.waiting(tries: 0)
  private let finished = Settling.Verdict.finished(tries: 0, isClosed: false)

  @Test("a file is finished when it has not changed for a while") func unchangedFileIsFinished() {
    var settling = Settling(quiet: .seconds(1))
    #expect(settling.observe("a", status(1), isLocal: false, now: moment(0), wall: wall) == waiting)
    #expect(settling.due(now: moment(999)) == nil)
    #expect(settling.nextDue == moment(1_000))
    #expect(settling.due(now: moment(1_000)) == "a")
    #expect(settling.observe("a", status(1), isLocal: false, now: moment(1_000), wall: wall) == finished)
    #expect(settling.isEmpty)
    #expect(settling.due(now: moment(9_999)) == nil)
    #expect(settling.nextDue == nil)
  }

  @Test("looking too early changes nothing") func earlyLookChangesNothing() {
    var settling = Settling(quiet: .seconds(1))
    _ = settling.observe("a", status(1), isLocal: false, now: moment(0), wall: wall)
    #expect(settling.observe("a", status(1), isLocal: false, now: moment(500), wall: wall) == waiting)
    #expect(settling.due(now: moment(1_000)) == "a")
  }

  @Test("a file that grows waits again, and its waits are counted")
  func growingFileWaits() {
    var settling = Settling(quiet: .seconds(1))
    for step in 0..<5 {
      let now = step * 900
      let verdict = settling.observe("a", status(step), isLocal: false, now: moment(now), wall: wall)
      #expect(verdict == .waiting(tries: now / 1_000))
    }
    #expect(settling.due(now: moment(4_599)) == nil)
    #expect(settling.due(now: moment(4_600)) == "a")
    #expect(settling.tries("a", now: moment(4_600)) == 4)
    #expect(settling.observe("a", status(4), isLocal: false, now: moment(4_600), wall: wall) == finished)
  }

  @Test("this host's clock needs no tolerance, and a time set by a user does not count")
  func localClockNeedsNoTolerance() {
    var settling = Settling(quiet: .seconds(1))
    let second: Int64 = 1_000_000_000
    func changed(_ age: Int64) -> FileStatus {
      FileStatus(kind: .regular, size: 1, modified: wall + 9 * second, changed: wall - age, inode: 1, device: 1)
    }
    #expect(settling.observe("a", changed(2 * second), isLocal: true, now: moment(0), wall: wall) == finished)
    #expect(
      settling.observe("b", changed(second), isLocal: true, now: moment(0), wall: wall) == waiting, "a tick too early")
    #expect(
      settling.observe("c", changed(-second), isLocal: true, now: moment(0), wall: wall) == waiting, "the clock was set"
    )
    #expect(settling.observe("d", changed(2 * second), isLocal: false, now: moment(0), wall: wall) == waiting)
  }

  @Test("a file with a writer waits, however old it is")
  func openFileWaits() {
    var settling = Settling(quiet: .seconds(1))
    settling.wait("a", status(1, age: 3_600), since: moment(500), tries: 3)
    #expect(settling.due(now: moment(1_499)) == nil)
    #expect(
      settling.observe("a", status(1, age: 3_600), isLocal: true, now: moment(900), wall: wall) == .waiting(tries: 3))
    // A later sign of the writer counts, an earlier one does not.
    settling.wait("a", status(1, age: 3_600), since: moment(800), tries: 3)
    settling.wait("a", status(1, age: 3_600), since: moment(700), tries: 3)
    #expect(settling.due(now: moment(1_799)) == nil)
    #expect(settling.due(now: moment(1_800)) == "a")
    let verdict = settling.observe("a", status(1, age: 3_600), isLocal: true, now: moment(1_800), wall: wall)
    #expect(verdict == .finished(tries: 3, isClosed: false))
    #expect(settling.isEmpty)
  }

  @Test("a file that is checked often waits in the queue once")
  func queueIsBounded() {
    var settling = Settling(quiet: .seconds(1))
    for now in 0..<5_000 {
      settling.wait("a", status(now), since: moment(now))
      _ = settling.due(now: moment(now))
    }
    #expect(settling.queued == 1)
    #expect(settling.due(now: moment(5_998)) == nil)
    #expect(settling.due(now: moment(5_999)) == "a")
    // It was not finished and waits again.
    settling.wait("a", status(1), since: moment(5_999))
    #expect(settling.due(now: moment(6_999)) == "a")
  }

  @Test("a close is remembered until the file is taken")
  func closeIsRemembered() {
    var settling = Settling(quiet: .seconds(1))
    settling.wait("a", status(1), since: moment(0), isClosed: true)
    settling.wait("a", status(1), since: moment(100))
    #expect(settling.observe("a", status(2), isLocal: true, now: moment(500), wall: wall) == waiting)
    let verdict = settling.observe("a", status(2), isLocal: true, now: moment(1_500), wall: wall)
    #expect(verdict == .finished(tries: 0, isClosed: true))
    #expect(settling.observe("a", status(2, age: 9), isLocal: true, now: moment(1_500), wall: wall) == finished)
  }

  @Test("another file under the same name waits again") func replacedFileWaitsAgain() {
    var settling = Settling(quiet: .seconds(1))
    _ = settling.observe("a", status(1, inode: 1), isLocal: false, now: moment(0), wall: wall)
    #expect(
      settling.observe("a", status(1, inode: 2), isLocal: false, now: moment(1_000), wall: wall) == .waiting(tries: 1))
  }

  @Test("an old file is finished at once") func oldFileIsFinishedAtOnce() {
    var settling = Settling(quiet: .seconds(1))
    #expect(settling.observe("a", status(1, age: 120), isLocal: false, now: moment(0), wall: wall) == finished)
    #expect(
      settling.observe("b", status(1, age: 30), isLocal: false, now: moment(0), wall: wall) == waiting,
      "clocks may differ by so much")
    #expect(
      settling.observe("c", status(1, age: -3_600), isLocal: false, now: moment(0), wall: wall) == waiting,
      "from the future")
  }

  @Test("a backdated file is not old") func backdatedFileIsNotOld() {
    var settling = Settling(quiet: .seconds(1))
    let copied = FileStatus(kind: .regular, size: 1, modified: 0, changed: wall, inode: 1, device: 1)
    #expect(settling.observe("a", copied, isLocal: false, now: moment(0), wall: wall) == waiting)
  }

  @Test("an impossible time is harmless", arguments: [Int64.min, .min + 1, .max, 0, -1])
  func impossibleTimeIsHarmless(time: Int64) {
    var settling = Settling(quiet: .seconds(1))
    let odd = FileStatus(kind: .regular, size: 1, modified: time, changed: time, inode: 1, device: 1)
    if settling.observe("a", odd, isLocal: false, now: moment(0), wall: wall) == waiting {
      #expect(settling.due(now: moment(1_000)) == "a")
      #expect(settling.observe("a", odd, isLocal: false, now: moment(1_000), wall: wall) == finished)
    }
  }

  @Test("every file is finished without a waiting time") func zeroWaitFinishesEveryFile() {
    var settling = Settling(quiet: .zero)
    #expect(settling.observe("a", status(1), isLocal: false, now: moment(0), wall: wall) == finished)
    #expect(settling.isEmpty)
  }

  @Test("a missing file is forgotten") func missingFileIsForgotten() {
    var settling = Settling(quiet: .seconds(1))
    _ = settling.observe("a", status(1), isLocal: false, now: moment(0), wall: wall)
    _ = settling.observe("b", status(1), isLocal: false, now: moment(0), wall: wall)
    settling.forget("a")
    settling.forget("never seen")
    #expect(settling.due(now: moment(1_000)) == "b")
    #expect(settling.due(now: moment(1_000)) == nil)
  }

  @Test("files are due in the order of their arrival") func filesKeepArrivalOrder() {
    var settling = Settling(quiet: .milliseconds(100))
    for number in 0..<5_000 {
      _ = settling.observe("\(number)", status(1), isLocal: false, now: moment(number), wall: wall)
    }
    for number in 0..<5_000 {
      #expect(settling.due(now: moment(number + 100)) == "\(number)")
      #expect(settling.due(now: moment(number + 100)) == nil)
    }
  }

  @Test("the queue is full if many files wait") func queueCanBeFull() {
    var settling = Settling(quiet: .milliseconds(100))
    for number in 0..<Settling.most - 1 {
      _ = settling.observe("\(number)", status(1), isLocal: false, now: moment(0), wall: wall)
    }
    #expect(!settling.isFull)
    _ = settling.observe("one more", status(1), isLocal: false, now: moment(0), wall: wall)
    #expect(settling.isFull)
  }

  @Test("names with different Unicode forms settle separately") func similarNamesSettleApart() {
    var settling = Settling(quiet: .seconds(1))
    let (composed, decomposed) = ("\u{E9}.jpg", "e\u{301}.jpg")
    for now in [0, 500].map({ moment($0) }) {
      #expect(settling.observe(composed, status(1, inode: 1), isLocal: false, now: now, wall: wall) == waiting)
      #expect(settling.observe(decomposed, status(2, inode: 2), isLocal: false, now: now, wall: wall) == waiting)
    }
    #expect(settling.observe(composed, status(1, inode: 1), isLocal: false, now: moment(1_000), wall: wall) == finished)
    #expect(
      settling.observe(decomposed, status(2, inode: 2), isLocal: false, now: moment(1_000), wall: wall) == finished)
  }
}
