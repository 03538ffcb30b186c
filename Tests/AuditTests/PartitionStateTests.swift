import Testing

@testable import Audit
@testable import Output

/// What the offsets of a partition say.
@Suite struct PartitionStateTests {
  private func state(_ low: Int64, _ high: Int64, next: Int64? = nil, last: Int64? = nil, committed: Int64? = nil)
    -> PartitionState
  {
    PartitionState(
      low: low, high: high, committed: committed, committedHere: committed,
      position: next.map { Catalog.PartitionPosition(next: $0, last: last) })
  }

  @Test("messages behind the position are unread, others have been passed") func positionDivides() {
    let partition = state(5, 20, next: 10, last: 9)
    #expect(partition.passage(of: 9) == .passed)
    #expect(partition.passage(of: 10) == .unread)
    #expect(partition.passage(of: 19) == .unread)
    #expect(partition.unread == 10 && partition.lost == nil && partition.displacement == nil)
  }

  @Test("messages that were removed before they were stored are lost") func removedMessagesAreLost() {
    let partition = state(15, 20, next: 10, last: 9)
    #expect(partition.passage(of: 9) == .passed)
    #expect(partition.passage(of: 10) == .lost && partition.passage(of: 14) == .lost)
    #expect(partition.passage(of: 15) == .unread)
    #expect(partition.lost == 10..<15 && partition.unread == 5)
  }

  @Test("without a position, what the partition holds is unread") func missingPositionMeansTheBeginning() {
    let partition = state(15, 20)
    #expect(partition.passage(of: 14) == .lost && partition.passage(of: 15) == .unread)
    #expect(partition.unread == 5 && partition.lost == nil && partition.displacement == nil)
  }

  @Test("a message behind the partition's end is lost: the topic was re-created or cut") func cutMessagesAreLost() {
    #expect(state(0, 20, next: 10, last: 9).passage(of: 20) == .lost)
    #expect(state(0, 20).passage(of: 20) == .lost)
    let recreated = state(0, 6, next: 200, last: 199)
    #expect(recreated.passage(of: 5) == .unread && recreated.unread == 6 && recreated.displacement != nil)
  }

  @Test("a position that consumers did not store is displaced") func displacedPositionsAreSeen() {
    #expect(state(0, 20, next: 21, last: 20).displacement != nil, "behind the end")
    #expect(state(0, 20, next: 12, last: 9).displacement != nil, "not after the last message")
    var partition = state(0, 20, next: 10, last: 9, committed: 11)
    #expect(partition.displacement != nil, "before the group's offset")
    partition.position?.isReadAgain = true
    #expect(partition.displacement == nil, "read again")
    partition = state(0, 20, next: 10, last: 9, committed: 11)
    partition.committedHere = nil
    #expect(partition.displacement == nil, "committed by a tool")
    #expect(state(11, 20, next: 10, last: 9, committed: 11).displacement == nil, "after a lost message")
    #expect(state(0, 20, next: 10, last: nil, committed: 10).displacement == nil)
    #expect(state(0, 20, committed: 10).displacement == nil)
  }
}
