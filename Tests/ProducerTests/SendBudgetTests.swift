import Testing

@testable import Producer

@Suite struct SendBudgetTests {
  @Test func whatIsInFlightIsBounded() {
    let budget = InFlightBudget(limit: 100)
    #expect(budget.acquire(60, timeoutMilliseconds: 0))
    #expect(!budget.acquire(60, timeoutMilliseconds: 0))
    #expect(budget.acquire(40, timeoutMilliseconds: 0))
    budget.delivered(60, partition: 0, offset: 1)
    #expect(budget.acquire(60, timeoutMilliseconds: 0))
    budget.failed(40)
    budget.failed(60)
    #expect(budget.acquire(100, timeoutMilliseconds: 0))
  }

  @Test func aMessageLargerThanTheBudgetGoesAlone() {
    let budget = InFlightBudget(limit: 100)
    #expect(budget.acquire(500, timeoutMilliseconds: 0))
    #expect(!budget.acquire(1, timeoutMilliseconds: 0))
    budget.failed(500)
    #expect(budget.acquire(1, timeoutMilliseconds: 0))
    #expect(!budget.acquire(500, timeoutMilliseconds: 0))
  }

  @Test func deliveryAloneFreesNothingOfWhatIsUnstored() {
    let budget = UnstoredBudget(limit: 100)
    #expect(budget.acquire(100, timeoutMilliseconds: 0))
    budget.delivered(100, partition: 0, offset: 0)
    #expect(!budget.acquire(1, timeoutMilliseconds: 0))
    #expect(!budget.isEmpty)
    budget.stored(0, next: 1)
    #expect(budget.isEmpty)
    #expect(budget.acquire(100, timeoutMilliseconds: 0))
  }

  @Test func storingBeforeTheReportOfTheDeliveryFreesOnce() {
    let budget = UnstoredBudget(limit: 100)
    #expect(budget.acquire(40, timeoutMilliseconds: 0))
    #expect(budget.acquire(60, timeoutMilliseconds: 0))
    budget.stored(0, next: 1)
    #expect(!budget.isEmpty)
    budget.delivered(40, partition: 0, offset: 0)
    #expect(budget.acquire(40, timeoutMilliseconds: 0))
    // Twice would be more than was taken, which ends the process.
    budget.stored(0, next: 1)
    budget.delivered(60, partition: 0, offset: 1)
    budget.stored(0, next: 2)
    budget.failed(40)
    #expect(budget.isEmpty)
  }

  @Test func onlyWhatLiesBeforeThePositionIsFreed() {
    let budget = UnstoredBudget(limit: 100)
    for offset: Int64 in 0..<4 {
      #expect(budget.acquire(25, timeoutMilliseconds: 0))
      budget.delivered(25, partition: 0, offset: offset)
    }
    budget.stored(0, next: 2)
    #expect(budget.acquire(50, timeoutMilliseconds: 0))
    #expect(!budget.acquire(1, timeoutMilliseconds: 0))
    budget.stored(0, next: 2)
    #expect(!budget.acquire(1, timeoutMilliseconds: 0))
    budget.stored(0, next: 4)
    budget.failed(50)
    #expect(budget.isEmpty)
  }

  @Test func partitionsDoNotMix() {
    let budget = UnstoredBudget(limit: 100)
    for partition: Int32 in 0..<2 {
      #expect(budget.acquire(50, timeoutMilliseconds: 0))
      budget.delivered(50, partition: partition, offset: 0)
    }
    budget.stored(1, next: 1)
    budget.stored(7, next: 99)
    #expect(budget.acquire(50, timeoutMilliseconds: 0))
    #expect(!budget.acquire(1, timeoutMilliseconds: 0))
  }

  @Test func whatFailedIsFreedAtOnce() {
    let budget = UnstoredBudget(limit: 100)
    #expect(budget.acquire(100, timeoutMilliseconds: 0))
    budget.failed(100)
    #expect(budget.isEmpty)
  }

  @Test func aDeliveryWithoutAKnownPlaceDoesNotBlockForEver() {
    let budget = UnstoredBudget(limit: 100)
    #expect(budget.acquire(100, timeoutMilliseconds: 0))
    budget.delivered(100, partition: 0, offset: -1001)
    #expect(budget.isEmpty)
  }
}
