import Testing

@testable import Consumer

@Suite struct FetchTroublesTests {
  private var troubles = FetchTroubles()

  @Test("a partition that goes on does not hide another one that does not") mutating func eachForItself() {
    troubles.failed(0, "refused")
    troubles.failed(3, "damaged")
    troubles.goesOn(0)
    #expect(troubles.reason == "damaged" && troubles.partitions == [3])
    troubles.goesOn(1)
    #expect(!troubles.isEmpty)
    troubles.goesOn(3)
    #expect(troubles.isEmpty && troubles.reason == nil)
  }

  @Test("what concerns the whole topic has passed when any partition goes on") mutating func wholeTopic() {
    troubles.failed(nil, "no right")
    #expect(troubles.reason == "no right" && troubles.partitions == [])
    troubles.goesOn(2)
    #expect(troubles.isEmpty)
  }
}
