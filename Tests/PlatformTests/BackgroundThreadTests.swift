import Glibc
import Synchronization
import Testing

@testable import Platform

@Suite struct BackgroundThreadTests {
  @Test("join waits for the body and may be repeated") func joinWaitsForTheBody() {
    let isDone = Mutexed(false)
    let thread = BackgroundThread.start("worker") { isDone.set(true) }
    thread.join()
    #expect(isDone.get())
    thread.join()
  }

  @Test("a thread's name is cut to the kernel's limit") func longNameIsCut() {
    let name = Mutexed("")
    BackgroundThread.start("a-name-that-is-too-long") {
      var bytes = [UInt8](repeating: 0, count: 32)
      let file = open("/proc/thread-self/comm", O_RDONLY)
      let count = read(file, &bytes, bytes.count)
      close(file)
      name.set(String(decoding: bytes[..<max(0, count - 1)], as: UTF8.self))
    }.join()
    #expect(name.get() == "a-name-that-is-")
  }

  @Test("a thread that joins itself returns") func joiningItselfReturns() {
    let box = Mutexed<BackgroundThread?>(nil)
    let isReady = Mutexed(false)
    let thread = BackgroundThread.start("self") {
      while !isReady.get() { sched_yield() }
      box.get()?.join()
      #expect(box.get()?.isCurrent == true)
    }
    box.set(thread)
    isReady.set(true)
    #expect(!thread.isCurrent)
    thread.join()
    box.set(nil)
  }
}

private final class Mutexed<Value: Sendable>: Sendable {
  private let value: Mutex<Value>
  init(_ value: Value) { self.value = Mutex(value) }
  func get() -> Value { value.withLock { $0 } }
  func set(_ new: Value) { value.withLock { $0 = new } }
}
