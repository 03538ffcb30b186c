import Synchronization
import TestSupport
import Testing

@testable import Platform

@Suite struct ThreadGroupTests {
  private struct Failure: Error, Equatable { let number: Int }

  @Test("all threads have ended when the scope ends") func scopeWaitsForThreads() throws {
    let ended = Mutex(0)
    let gate = StopFlag()
    try withThreads(stop: StopFlag()) { threads in
      for number in 1...3 {
        threads.start("thread-\(number)") {
          #expect(gate.wait(for: .seconds(30)))
          ended.withLock { $0 += 1 }
        }
      }
      gate.set()
    }
    #expect(ended.withLock { $0 } == 3)
  }

  @Test("a thread that starts another one leaves it to the scope") func threadsMayStartThreads() throws {
    let isDone = StopFlag()
    try withThreads(stop: StopFlag()) { threads in
      threads.start("first") { threads.start("second") { isDone.set() } }
    }
    #expect(isDone.isSet)
  }

  @Test("an error of a thread stops the others, and is rethrown") func errorOfThreadStopsOthers() {
    let stop = StopFlag()
    let sawStop = StopFlag()
    #expect(throws: Failure(number: 1)) {
      try withThreads(stop: stop) { threads in
        threads.start("waiting") { if stop.wait(for: .seconds(30)) { sawStop.set() } }
        threads.start("failing") { throw Failure(number: 1) }
      }
    }
    #expect(sawStop.isSet)
  }

  @Test("an error of the body stops the threads, and counts more than later ones") func errorOfBodyIsFirst() {
    let stop = StopFlag()
    #expect(throws: Failure(number: 1)) {
      try withThreads(stop: stop) { threads in
        threads.start("later") {
          #expect(stop.wait(for: .seconds(30)))
          throw Failure(number: 2)
        }
        throw Failure(number: 1)
      }
    }
  }
}
