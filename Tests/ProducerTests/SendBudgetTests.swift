import Testing

@testable import Producer

@Suite struct SendBudgetTests {
  @Test("the bytes in flight are bounded") func flightIsBounded() {
    let budget = InFlightBudget(limit: 100)
    #expect(budget.acquire(60, timeout: .zero))
    #expect(!budget.acquire(60, timeout: .zero))
    #expect(budget.acquire(40, timeout: .zero))
    budget.delivered(60, partition: 0, offset: 1)
    #expect(budget.acquire(60, timeout: .zero))
    budget.failed(40)
    budget.failed(60)
    #expect(budget.acquire(100, timeout: .zero))
  }

  @Test("a message larger than the budget goes alone") func oversizedMessageGoesAlone() {
    let budget = InFlightBudget(limit: 100)
    #expect(budget.acquire(500, timeout: .zero))
    #expect(!budget.acquire(1, timeout: .zero))
    budget.failed(500)
    #expect(budget.acquire(1, timeout: .zero))
    #expect(!budget.acquire(500, timeout: .zero))
  }

  @Test("delivery alone frees no unstored bytes") func deliveryFreesNothingUnstored() {
    let budget = UnstoredBudget(limit: 100)
    #expect(budget.acquire(100, timeout: .zero))
    budget.delivered(100, partition: 0, offset: 0)
    #expect(!budget.acquire(1, timeout: .zero))
    #expect(!budget.isEmpty)
    budget.stored(0, next: 1)
    #expect(budget.isEmpty)
    #expect(budget.acquire(100, timeout: .zero))
  }

  @Test("storing before the delivery report frees once") func earlyStoreFreesOnce() {
    let budget = UnstoredBudget(limit: 100)
    #expect(budget.acquire(40, timeout: .zero))
    #expect(budget.acquire(60, timeout: .zero))
    budget.stored(0, next: 1)
    #expect(!budget.isEmpty)
    budget.delivered(40, partition: 0, offset: 0)
    #expect(budget.acquire(40, timeout: .zero))
    // Freeing twice would exceed the budget, which ends the process.
    budget.stored(0, next: 1)
    budget.delivered(60, partition: 0, offset: 1)
    budget.stored(0, next: 2)
    budget.failed(40)
    #expect(budget.isEmpty)
  }

  @Test("only messages before the position are freed") func positionBoundsTheFreed() {
    let budget = UnstoredBudget(limit: 100)
    for offset: Int64 in 0..<4 {
      #expect(budget.acquire(25, timeout: .zero))
      budget.delivered(25, partition: 0, offset: offset)
    }
    budget.stored(0, next: 2)
    #expect(budget.acquire(50, timeout: .zero))
    #expect(!budget.acquire(1, timeout: .zero))
    budget.stored(0, next: 2)
    #expect(!budget.acquire(1, timeout: .zero))
    budget.stored(0, next: 4)
    budget.failed(50)
    #expect(budget.isEmpty)
  }

  @Test("partitions do not mix") func partitionsDoNotMix() {
    let budget = UnstoredBudget(limit: 100)
    for partition: Int32 in 0..<2 {
      #expect(budget.acquire(50, timeout: .zero))
      budget.delivered(50, partition: partition, offset: 0)
    }
    budget.stored(1, next: 1)
    budget.stored(7, next: 99)
    #expect(budget.acquire(50, timeout: .zero))
    #expect(!budget.acquire(1, timeout: .zero))
  }

  @Test("a failed message is freed at once") func failureFreesAtOnce() {
    let budget = UnstoredBudget(limit: 100)
    #expect(budget.acquire(100, timeout: .zero))
    budget.failed(100)
    #expect(budget.isEmpty)
  }

  @Test("a delivery with an unknown offset does not block") func unknownOffsetDoesNotBlock() {
    let budget = UnstoredBudget(limit: 100)
    #expect(budget.acquire(100, timeout: .zero))
    budget.delivered(100, partition: 0, offset: -1001)
    #expect(budget.isEmpty)
  }
}
