import TestSupport
import Testing

@testable import Producer

@Suite struct PassedPositionsTests {
  private var positions = PassedPositions()

  private func at(_ next: Int64, by output: String = "o", partition: Int32 = 0) -> PassedPosition {
    PassedPosition(output: output, partition: partition, next: next)
  }

  @Test("a position counts after it has been known for a while") mutating func positionSettles() {
    positions.add(at(10), now: moment(0))
    positions.add(at(20), now: moment(5_000))
    #expect(positions.settled(now: moment(9_999)) == [])
    #expect(positions.settled(now: moment(11_000)) == [at(10)])
    #expect(positions.settled(now: moment(15_900)) == [at(10)])
    #expect(positions.settled(now: moment(16_000)) == [at(20)])
    #expect(positions.settled(now: moment(60_000)) == [at(20)])
  }

  /// Otherwise a busy output would never have passed anything.
  @Test("a position that advances all the time settles all the time") mutating func movingPositionSettles() {
    for step in 0..<200 { positions.add(at(Int64(step)), now: moment(step * 100)) }
    let settled = positions.settled(now: moment(20_000))
    #expect(settled.count == 1 && (70...99).contains(settled[0].next), "\(settled)")
  }

  @Test("an output that steps back has passed nothing for a while") mutating func stepBackStartsAgain() {
    positions.add(at(100), now: moment(0))
    #expect(positions.settled(now: moment(11_000)) == [at(100)])
    positions.add(at(5), now: moment(12_000))
    #expect(positions.settled(now: moment(13_000)) == [])
    #expect(positions.settled(now: moment(23_000)) == [at(5)])
  }

  @Test("outputs and partitions are apart") mutating func outputsAreApart() {
    positions.add(at(1), now: moment(0))
    positions.add(at(2, by: "p"), now: moment(0))
    positions.add(at(3, partition: 1), now: moment(0))
    let settled = positions.settled(now: moment(11_000)).sorted { $0.next < $1.next }
    #expect(settled == [at(1), at(2, by: "p"), at(3, partition: 1)])
  }
}
