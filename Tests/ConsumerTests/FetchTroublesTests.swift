import Testing

@testable import Consumer

@Suite struct FetchTroublesTests {
  private var troubles = FetchTroubles()

  @Test("a partition that continues does not hide one that does not") mutating func troublesArePerPartition() {
    troubles.failed(0, "refused")
    troubles.failed(3, "damaged")
    troubles.succeeded(0)
    #expect(troubles.reason == "damaged" && troubles.partitions == [3])
    troubles.succeeded(1)
    #expect(!troubles.isEmpty)
    troubles.succeeded(3)
    #expect(troubles.isEmpty && troubles.reason == nil)
  }

  @Test("a trouble of the whole topic has passed if any partition continues")
  mutating func anyProgressClearsTopicTrouble() {
    troubles.failed(nil, "no right")
    #expect(troubles.reason == "no right" && troubles.partitions == [])
    troubles.succeeded(2)
    #expect(troubles.isEmpty)
  }
}
