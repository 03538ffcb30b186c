import Platform
import Testing

@testable import ImagePipeline

/// Time is the test's to turn: `now` in ms, `wall` in ns.
@Suite struct SettlingTests {
  private let wall: Int64 = 1_800_000_000_000_000_000

  private func status(_ size: Int, age: Int64 = 0, inode: UInt64 = 1) -> FileStatus {
    let time = wall - age * 1_000_000_000
    return FileStatus(kind: .regular, size: size, modified: time, changed: time, inode: inode, device: 1)
  }

  @Test func aFileIsFinishedOnceItHasNotChangedForAWhile() {
    var settling = Settling(quietMilliseconds: 1_000)
    #expect(settling.observe("a", status(1), now: 0, wall: wall) == false)
    #expect(settling.due(now: 999) == nil)
    #expect(settling.nextDue == 1_000)
    #expect(settling.due(now: 1_000) == "a")
    #expect(settling.observe("a", status(1), now: 1_000, wall: wall) == true)
    #expect(settling.isEmpty)
    #expect(settling.due(now: 9_999) == nil)
    #expect(settling.nextDue == nil)
  }

  @Test func lookingTooEarlyChangesNothing() {
    var settling = Settling(quietMilliseconds: 1_000)
    _ = settling.observe("a", status(1), now: 0, wall: wall)
    #expect(settling.observe("a", status(1), now: 500, wall: wall) == false)
    #expect(settling.due(now: 1_000) == "a")
  }

  @Test func aFileThatGrowsWaitsAnew() {
    var settling = Settling(quietMilliseconds: 1_000)
    for step in 0..<5 {
      #expect(settling.observe("a", status(step), now: Int64(step) * 900, wall: wall) == false)
    }
    #expect(settling.due(now: 4_599) == nil)
    #expect(settling.due(now: 4_600) == "a")
    #expect(settling.observe("a", status(4), now: 4_600, wall: wall) == true)
  }

  @Test func anotherFileUnderTheSameNameWaitsAnew() {
    var settling = Settling(quietMilliseconds: 1_000)
    _ = settling.observe("a", status(1, inode: 1), now: 0, wall: wall)
    #expect(settling.observe("a", status(1, inode: 2), now: 1_000, wall: wall) == false)
  }

  @Test func anOldFileIsFinishedAtOnce() {
    var settling = Settling(quietMilliseconds: 1_000)
    #expect(settling.observe("a", status(1, age: 120), now: 0, wall: wall) == true)
    #expect(settling.observe("b", status(1, age: 30), now: 0, wall: wall) == false, "clocks may differ by so much")
    #expect(settling.observe("c", status(1, age: -3_600), now: 0, wall: wall) == false, "from the future")
  }

  @Test func aFileWithItsTimeSetBackIsNotOld() {
    var settling = Settling(quietMilliseconds: 1_000)
    let copied = FileStatus(kind: .regular, size: 1, modified: 0, changed: wall, inode: 1, device: 1)
    #expect(settling.observe("a", copied, now: 0, wall: wall) == false)
  }

  @Test(arguments: [Int64.min, .min + 1, .max, 0, -1])
  func aTimeThatCannotBeDoesNoHarm(time: Int64) {
    var settling = Settling(quietMilliseconds: 1_000)
    let odd = FileStatus(kind: .regular, size: 1, modified: time, changed: time, inode: 1, device: 1)
    if !settling.observe("a", odd, now: 0, wall: wall) {
      #expect(settling.due(now: 1_000) == "a")
      #expect(settling.observe("a", odd, now: 1_000, wall: wall) == true)
    }
  }

  @Test func withoutAWaitEveryFileIsFinished() {
    var settling = Settling(quietMilliseconds: 0)
    #expect(settling.observe("a", status(1), now: 0, wall: wall) == true)
    #expect(settling.isEmpty)
  }

  @Test func aFileThatIsGoneIsForgotten() {
    var settling = Settling(quietMilliseconds: 1_000)
    _ = settling.observe("a", status(1), now: 0, wall: wall)
    _ = settling.observe("b", status(1), now: 0, wall: wall)
    settling.forget("a")
    settling.forget("never seen")
    #expect(settling.due(now: 1_000) == "b")
    #expect(settling.due(now: 1_000) == nil)
  }

  @Test func filesAreDueInTheOrderOfTheirArrival() {
    var settling = Settling(quietMilliseconds: 100)
    for number in 0..<5_000 { _ = settling.observe("\(number)", status(1), now: Int64(number), wall: wall) }
    for number in 0..<5_000 {
      #expect(settling.due(now: Int64(number + 100)) == "\(number)")
      #expect(settling.due(now: Int64(number + 100)) == nil)
    }
  }

  @Test func itIsFullWhereManyWait() {
    var settling = Settling(quietMilliseconds: 100)
    for number in 0..<Settling.most - 1 { _ = settling.observe("\(number)", status(1), now: 0, wall: wall) }
    #expect(!settling.isFull)
    _ = settling.observe("one more", status(1), now: 0, wall: wall)
    #expect(settling.isFull)
  }

  @Test func namesThatOnlyLookAlikeSettleEachForItself() {
    var settling = Settling(quietMilliseconds: 1_000)
    let (composed, decomposed) = ("\u{E9}.jpg", "e\u{301}.jpg")
    for now: Int64 in [0, 500] {
      #expect(settling.observe(composed, status(1, inode: 1), now: now, wall: wall) == false)
      #expect(settling.observe(decomposed, status(2, inode: 2), now: now, wall: wall) == false)
    }
    #expect(settling.observe(composed, status(1, inode: 1), now: 1_000, wall: wall) == true)
    #expect(settling.observe(decomposed, status(2, inode: 2), now: 1_000, wall: wall) == true)
  }
}
