import Synchronization
import TestSupport
import Testing

@testable import Platform

/// Runs a body that may block on a thread of its own. The flag is set when it has returned.
private func inBackground(_ body: @escaping @Sendable () -> Void) -> StopFlag {
  let done = StopFlag()
  _ = BackgroundThread.start("test") {
    body()
    done.set()
  }
  return done
}

extension StopFlag {
  fileprivate var comes: Bool { eventually { isSet } }
  /// Whether it stays unset for a while: this can only miss a mistake, never invent one.
  fileprivate var staysAway: Bool { throughout(.milliseconds(30)) { !isSet } }
}

@Suite struct BoundedQueueTests {
  @Test("elements leave a queue in order") func queueKeepsOrder() {
    let queue = BoundedQueue<Int>(capacity: 3)
    for round in 0..<4 {
      for index in 0..<3 { #expect(queue.push(round * 3 + index)) }
      #expect(queue.count == 3)
      for index in 0..<3 { #expect(queue.pop(timeout: nil) == round * 3 + index) }
    }
    #expect(queue.pop(timeout: .zero) == nil)
  }

  @Test("a full queue refuses a try and blocks a push until there is room") func fullQueueBlocksPush() {
    let queue = BoundedQueue<Int>(capacity: 1)
    #expect(queue.tryPush(1))
    #expect(!queue.tryPush(2))
    let pushed = inBackground { _ = queue.push(3) }
    #expect(pushed.staysAway)
    #expect(queue.pop(timeout: .seconds(20)) == 1)
    #expect(pushed.comes)
    #expect(queue.pop(timeout: .seconds(20)) == 3)
  }

  @Test("a pop waits for an element, no longer than its time") func popWaitsForItsTime() {
    let queue = BoundedQueue<Int>(capacity: 1)
    let start = ContinuousClock.now
    #expect(queue.pop(timeout: .milliseconds(30)) == nil)
    #expect(ContinuousClock.now - start >= .milliseconds(29))

    let popped = Box()
    let done = inBackground { popped.value.store(queue.pop(timeout: nil) ?? -1, ordering: .releasing) }
    #expect(done.staysAway)
    #expect(queue.push(7))
    #expect(done.comes)
    #expect(popped.value.load(ordering: .acquiring) == 7)
  }

  @Test("closing a queue wakes all waiters") func closingWakesAllWaiters() {
    let full = BoundedQueue<Int>(capacity: 1)
    _ = full.push(1)
    let empty = BoundedQueue<Int>(capacity: 1)
    let refusals = Box()
    let waiting =
      (0..<3).map { _ in inBackground { if !full.push(2) { refusals.value.add(1, ordering: .relaxed) } } }
      + (0..<3).map { _ in
        inBackground { if empty.pop(timeout: nil) == nil { refusals.value.add(1, ordering: .relaxed) } }
      }
    full.close()
    empty.close()
    for done in waiting { #expect(done.comes) }
    #expect(refusals.value.load(ordering: .relaxed) == 6)
  }

  @Test("a blocked push continues once half of the queue is taken") func halfEmptyQueueWakesPush() {
    let queue = BoundedQueue<Int>(capacity: 4)
    for number in 0..<4 { _ = queue.push(number) }
    let pushed = inBackground { _ = queue.push(4) }
    #expect(pushed.staysAway)
    #expect(queue.pop(timeout: .zero) == 0)
    #expect(queue.pop(timeout: .zero) == 1)
    #expect(pushed.comes)
    #expect((2...4).map { _ in queue.pop(timeout: .zero) } == [2, 3, 4])
  }

  @Test("gathered elements are taken together") func gatheredElementsAreTaken() {
    let queue = BoundedQueue<Int>(capacity: 100)
    for number in 0..<5 { _ = queue.push(number) }
    let start = ContinuousClock.now
    #expect(
      queue.popAll(atMost: 3, gathering: .seconds(20)) == [0, 1, 2], "three elements are enough, so nothing waits")
    #expect(queue.popAll(atMost: 3, gathering: .milliseconds(30)) == [3, 4])
    let taken = ContinuousClock.now - start
    #expect(taken >= .milliseconds(29) && taken < .seconds(15))

    let count = Box()
    let done = inBackground {
      count.value.store(queue.popAll(atMost: 50, gathering: .seconds(20)).count, ordering: .releasing)
    }
    for number in 0..<49 { _ = queue.push(number) }
    #expect(done.staysAway)
    _ = queue.push(49)
    #expect(done.comes)
    #expect(count.value.load(ordering: .acquiring) == 50)
  }

  @Test("a closed queue does not gather") func closedQueueDoesNotGather() {
    let queue = BoundedQueue<Int>(capacity: 4)
    _ = queue.push(1)
    let done = inBackground {
      #expect(queue.popAll(atMost: 4, gathering: .seconds(20)) == [1])
      #expect(queue.popAll(atMost: 4, gathering: .seconds(20)) == [])
    }
    queue.close()
    #expect(done.comes)
  }

  @Test("elements of a closed queue can still be taken") func closedQueueCanBeEmptied() {
    let queue = BoundedQueue<Int>(capacity: 2)
    #expect(queue.push(1) && !queue.isFinished)
    queue.close()
    #expect(!queue.push(2) && !queue.tryPush(2) && !queue.isFinished)
    #expect(queue.pop(timeout: nil) == 1)
    #expect(queue.isFinished)
    #expect(queue.pop(timeout: nil) == nil)
  }

  @Test("many threads lose and duplicate nothing") func threadsLoseNothing() {
    let queue = BoundedQueue<Int>(capacity: 4)
    let sum = Box()
    let count = Box()
    let takers = (0..<3).map { _ in
      inBackground {
        while let element = queue.pop(timeout: nil) {
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

  @Test("a queue releases an element when it is taken") func takenElementIsReleased() {
    final class Payload: Sendable {}
    let queue = BoundedQueue<Payload>(capacity: 2)
    weak var payload: Payload?
    do {
      let strong = Payload()
      payload = strong
      _ = queue.push(strong)
    }
    #expect(payload != nil)
    _ = queue.pop(timeout: .zero)
    #expect(payload == nil)
  }
}

@Suite struct GateTests {
  @Test("a share waits until it fits") func shareWaitsUntilItFits() {
    let gate = Gate(limit: 10)
    #expect(gate.acquire(6, timeout: nil) && gate.acquire(4, timeout: nil))
    #expect(!gate.acquire(1, timeout: .zero))
    let acquired = inBackground { _ = gate.acquire(5, timeout: nil) }
    gate.release(4)
    #expect(acquired.staysAway)
    gate.release(6)
    #expect(acquired.comes)
    #expect(gate.used == 5)
  }

  @Test("a share above the limit goes alone") func oversizedShareGoesAlone() {
    let gate = Gate(limit: 10)
    #expect(gate.acquire(1, timeout: .zero))
    #expect(!gate.acquire(.max, timeout: .milliseconds(10)))
    gate.release(1)
    #expect(gate.acquire(.max, timeout: .zero))
    #expect(!gate.acquire(1, timeout: .milliseconds(10)))
    gate.release(.max)
    #expect(gate.acquire(10, timeout: .zero))
  }

  @Test("a large share is not overtaken by small ones") func largeShareIsNotOvertaken() {
    let gate = Gate(limit: 10)
    #expect(gate.acquire(5, timeout: nil))
    let large = inBackground { _ = gate.acquire(10, timeout: nil) }
    #expect(large.staysAway)
    #expect(!gate.acquire(1, timeout: .milliseconds(10)))
    gate.release(5)
    #expect(large.comes)
    #expect(gate.used == 10)
  }

  @Test("a waiter that gives up lets the next one in") func waiterMayGiveUp() {
    let gate = Gate(limit: 10)
    #expect(gate.acquire(5, timeout: nil))
    let large = inBackground { _ = gate.acquire(10, timeout: .milliseconds(100)) }
    let small = inBackground { _ = gate.acquire(1, timeout: nil) }
    #expect(large.comes && small.comes)
    #expect(gate.used == 6)
  }

  @Test("closing a gate wakes its waiters and admits nobody") func closedGateAdmitsNobody() {
    let gate = Gate(limit: 1)
    #expect(gate.acquire(1, timeout: nil))
    let refused = Box()
    let waiting = inBackground {
      if !gate.acquire(1, timeout: nil) { refused.value.store(1, ordering: .releasing) }
    }
    #expect(waiting.staysAway)
    gate.close()
    #expect(waiting.comes && refused.value.load(ordering: .acquiring) == 1)
    gate.release(1)
    #expect(!gate.acquire(0, timeout: nil) && gate.used == 0)
  }
}

@Suite struct TurnstileTests {
  @Test("numbers pass a turnstile in order, even if one throws") func turnstileKeepsOrder() {
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
  @Test("a wait ends with its time or the stop flag") func waitEndsWithTimeOrFlag() {
    let flag = StopFlag()
    #expect(!flag.isSet && !flag.wait(for: .milliseconds(10)))
    let stopped = inBackground { while !flag.wait(for: .seconds(60)) {} }
    #expect(stopped.staysAway)
    flag.set()
    #expect(stopped.comes)
    #expect(flag.isSet && flag.wait(for: .zero))
  }
}

private final class Box: Sendable {
  let value = Atomic(0)
}
