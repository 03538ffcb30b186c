import Testing

@testable import Output

@Suite struct SentReceiptsTests {
  @Test("a position is reached when all receipts before it are acknowledged") func inOrder() {
    var sent = SentReceipts()
    sent.written([1, 2], 0, next: 10)
    sent.written([3], 0, next: 20)
    sent.written([4], 1, next: 5)
    sent.acknowledged([2, 3])
    #expect(sent.positions == [:])
    sent.acknowledged([4, 1])
    #expect(sent.positions == [0: 20, 1: 5])
    sent.acknowledged([99])
    #expect(sent.positions == [0: 20, 1: 5])
  }

  @Test("the positions of a topic that was re-created are forgotten") func recreatedTopic() {
    var sent = SentReceipts()
    sent.written([1], 0, next: 1_000)
    sent.acknowledged([1])
    sent.written([2], 0, next: 5)
    #expect(sent.positions == [:])
    sent.acknowledged([2])
    #expect(sent.positions == [0: 5])
  }

  @Test("many receipts cost a time that grows with their number only") func manyReceipts() {
    var sent = SentReceipts()
    for id in 1...100_000 { sent.written([Int64(id)], 0, next: Int64(id)) }
    for id in 1...100_000 { sent.acknowledged([Int64(id)]) }
    #expect(sent.positions == [0: 100_000])
  }
}
