import Dispatch
import Synchronization
import Testing

@testable import Platform

/// Runs the body on a thread of its own, since it blocks.
private func inBackground(_ body: @escaping @Sendable () -> Void) -> DispatchSemaphore {
  let done = DispatchSemaphore(value: 0)
  let queue = DispatchQueue(label: "test")
  queue.async {
    body()
    done.signal()
  }
  return done
}

extension DispatchSemaphore {
  fileprivate var comes: Bool { wait(timeout: .now() + 20) == .success }
  /// Whether nothing comes for a while: can only miss a mistake, never invent one.
  fileprivate var staysAway: Bool { wait(timeout: .now() + .milliseconds(30)) == .timedOut }
}

@Suite struct BoundedQueueTests {
  @Test func elementsComeOutInTheirOrder() {
    let queue = BoundedQueue<Int>(capacity: 3)
    for round in 0..<4 {
      for index in 0..<3 { #expect(queue.push(round * 3 + index)) }
      #expect(queue.count == 3)
      for index in 0..<3 { #expect(queue.pop(timeoutMilliseconds: nil) == round * 3 + index) }
    }
    #expect(queue.pop(timeoutMilliseconds: 0) == nil)
  }

  @Test func aFullQueueRefusesATryAndBlocksAPushUntilThereIsRoom() {
    let queue = BoundedQueue<Int>(capacity: 1)
    #expect(queue.tryPush(1))
    #expect(!queue.tryPush(2))
    let pushed = inBackground { _ = queue.push(3) }
    #expect(pushed.staysAway)
    #expect(queue.pop(timeoutMilliseconds: 20_000) == 1)
    #expect(pushed.comes)
    #expect(queue.pop(timeoutMilliseconds: 20_000) == 3)
  }

  @Test func aPopWaitsForAnElementAndNoLongerThanItsTime() {
    let queue = BoundedQueue<Int>(capacity: 1)
    let start = Clock.monotonicMilliseconds
    #expect(queue.pop(timeoutMilliseconds: 30) == nil)
    #expect(Clock.monotonicMilliseconds - start >= 29)

    let popped = Box()
    let done = inBackground { popped.value.store(queue.pop(timeoutMilliseconds: nil) ?? -1, ordering: .releasing) }
    #expect(done.staysAway)
    #expect(queue.push(7))
    #expect(done.comes)
    #expect(popped.value.load(ordering: .acquiring) == 7)
  }

  @Test func closingWakesAllWhoWait() {
    let full = BoundedQueue<Int>(capacity: 1)
    _ = full.push(1)
    let empty = BoundedQueue<Int>(capacity: 1)
    let refusals = Box()
    let waiting =
      (0..<3).map { _ in inBackground { if !full.push(2) { refusals.value.add(1, ordering: .relaxed) } } }
      + (0..<3).map { _ in
        inBackground { if empty.pop(timeoutMilliseconds: nil) == nil { refusals.value.add(1, ordering: .relaxed) } }
      }
    full.close()
    empty.close()
    for done in waiting { #expect(done.comes) }
    #expect(refusals.value.load(ordering: .relaxed) == 6)
  }

  @Test func whoWasHeldUpByAFullQueueGoesOnOnceHalfOfItIsTaken() {
    let queue = BoundedQueue<Int>(capacity: 4)
    for number in 0..<4 { _ = queue.push(number) }
    let pushed = inBackground { _ = queue.push(4) }
    #expect(pushed.staysAway)
    #expect(queue.pop(timeoutMilliseconds: 0) == 0)
    #expect(queue.pop(timeoutMilliseconds: 0) == 1)
    #expect(pushed.comes)
    #expect((2...4).map { _ in queue.pop(timeoutMilliseconds: 0) } == [2, 3, 4])
  }

  @Test func whatGathersIsTakenAtOnce() {
    let queue = BoundedQueue<Int>(capacity: 100)
    for number in 0..<5 { _ = queue.push(number) }
    let start = Clock.monotonicMilliseconds
    #expect(queue.popAll(atMost: 3, gatheringMilliseconds: 20_000) == [0, 1, 2], "so many need not wait for more")
    #expect(queue.popAll(atMost: 3, gatheringMilliseconds: 30) == [3, 4])
    let taken = Clock.monotonicMilliseconds - start
    #expect(taken >= 29 && taken < 15_000)

    let count = Box()
    let done = inBackground {
      count.value.store(queue.popAll(atMost: 50, gatheringMilliseconds: 20_000).count, ordering: .releasing)
    }
    for number in 0..<49 { _ = queue.push(number) }
    #expect(done.staysAway)
    _ = queue.push(49)
    #expect(done.comes)
    #expect(count.value.load(ordering: .acquiring) == 50)
  }

  @Test func aClosedQueueIsNotWaitedForToGather() {
    let queue = BoundedQueue<Int>(capacity: 4)
    _ = queue.push(1)
    let done = inBackground {
      #expect(queue.popAll(atMost: 4, gatheringMilliseconds: 20_000) == [1])
      #expect(queue.popAll(atMost: 4, gatheringMilliseconds: 20_000) == [])
    }
    queue.close()
    #expect(done.comes)
  }

  @Test func whatIsInAClosedQueueCanStillBeTaken() {
    let queue = BoundedQueue<Int>(capacity: 2)
    #expect(queue.push(1) && !queue.isFinished)
    queue.close()
    #expect(!queue.push(2) && !queue.tryPush(2) && !queue.isFinished)
    #expect(queue.pop(timeoutMilliseconds: nil) == 1)
    #expect(queue.isFinished)
    #expect(queue.pop(timeoutMilliseconds: nil) == nil)
  }

  @Test func nothingIsLostOrDoubledBetweenManyThreads() {
    let queue = BoundedQueue<Int>(capacity: 4)
    let sum = Box()
    let count = Box()
    let takers = (0..<3).map { _ in
      inBackground {
        while let element = queue.pop(timeoutMilliseconds: nil) {
          sum.value.add(element, ordering: .relaxed)
          count.value.add(1, ordering: .relaxed)
        }
      }
    }
    let givers = (0..<3).map { giver in
      inBackground { for index in 0..<2000 { _ = queue.push(giver * 2000 + index) } }
    }
    for done in givers { #expect(done.comes) }
    queue.close()
    for done in takers { #expect(done.comes) }
    #expect(count.value.load(ordering: .relaxed) == 6000)
    #expect(sum.value.load(ordering: .relaxed) == 6000 * 5999 / 2)
  }

  @Test func anElementIsReleasedOnceItIsTaken() {
    final class Payload: Sendable {}
    let queue = BoundedQueue<Payload>(capacity: 2)
    weak var payload: Payload?
    do {
      let strong = Payload()
      payload = strong
      _ = queue.push(strong)
    }
    #expect(payload != nil)
    _ = queue.pop(timeoutMilliseconds: 0)
    #expect(payload == nil)
  }
}

@Suite struct GateTests {
  @Test func aShareWaitsUntilItFits() {
    let gate = Gate(limit: 10)
    #expect(gate.acquire(6, timeoutMilliseconds: nil) && gate.acquire(4, timeoutMilliseconds: nil))
    #expect(!gate.acquire(1, timeoutMilliseconds: 0))
    let acquired = inBackground { _ = gate.acquire(5, timeoutMilliseconds: nil) }
    gate.release(4)
    #expect(acquired.staysAway)
    gate.release(6)
    #expect(acquired.comes)
    #expect(gate.used == 5)
  }

  @Test func aShareAboveTheLimitGoesAlone() {
    let gate = Gate(limit: 10)
    #expect(gate.acquire(1, timeoutMilliseconds: 0))
    #expect(!gate.acquire(.max, timeoutMilliseconds: 10))
    gate.release(1)
    #expect(gate.acquire(.max, timeoutMilliseconds: 0))
    #expect(!gate.acquire(1, timeoutMilliseconds: 10))
    gate.release(.max)
    #expect(gate.acquire(10, timeoutMilliseconds: 0))
  }

  @Test func aLargeShareIsNotOvertakenBySmallOnes() {
    let gate = Gate(limit: 10)
    #expect(gate.acquire(5, timeoutMilliseconds: nil))
    let large = inBackground { _ = gate.acquire(10, timeoutMilliseconds: nil) }
    #expect(large.staysAway)
    #expect(!gate.acquire(1, timeoutMilliseconds: 10))
    gate.release(5)
    #expect(large.comes)
    #expect(gate.used == 10)
  }

  @Test func whoGivesUpLetsTheNextOneIn() {
    let gate = Gate(limit: 10)
    #expect(gate.acquire(5, timeoutMilliseconds: nil))
    let large = inBackground { _ = gate.acquire(10, timeoutMilliseconds: 100) }
    let small = inBackground { _ = gate.acquire(1, timeoutMilliseconds: nil) }
    #expect(large.comes && small.comes)
    #expect(gate.used == 6)
  }

  @Test func closingWakesWhoWaitsAndLetsNobodyIn() {
    let gate = Gate(limit: 1)
    #expect(gate.acquire(1, timeoutMilliseconds: nil))
    let refused = Box()
    let waiting = inBackground {
      if !gate.acquire(1, timeoutMilliseconds: nil) { refused.value.store(1, ordering: .releasing) }
    }
    #expect(waiting.staysAway)
    gate.close()
    #expect(waiting.comes && refused.value.load(ordering: .acquiring) == 1)
    gate.release(1)
    #expect(!gate.acquire(0, timeoutMilliseconds: nil) && gate.used == 0)
  }
}

@Suite struct TurnstileTests {
  @Test func numbersPassInTheirOrderThoughOneThrows() {
    struct Failure: Error {}
    let turnstile = Turnstile()
    let passed = Box()
    let numbers = (0..<3).map { _ in turnstile.number() }
    #expect(numbers == [0, 1, 2])
    let others = numbers.dropFirst().reversed().map { number in
      inBackground {
        try? turnstile.pass(number) { () throws(Failure) in
          // Digits in the order of passing.
          passed.value.store(passed.value.load(ordering: .acquiring) * 10 + number, ordering: .releasing)
          throw Failure()
        }
      }
    }
    #expect(others.allSatisfy { $0.staysAway })
    #expect(turnstile.pass(0) { "its result" } == "its result")
    #expect(others.allSatisfy { $0.comes })
    #expect(passed.value.load(ordering: .acquiring) == 12)
  }
}

@Suite struct StopFlagTests {
  @Test func aWaitEndsWithItsTimeOrTheFlag() {
    let flag = StopFlag()
    #expect(!flag.isSet && !flag.wait(milliseconds: 10))
    let stopped = inBackground { while !flag.wait(milliseconds: 60_000) {} }
    #expect(stopped.staysAway)
    flag.set()
    #expect(stopped.comes)
    #expect(flag.isSet && flag.wait(milliseconds: 0))
  }
}

private final class Box: Sendable {
  let value = Atomic(0)
}
