import Glibc

/// A mutex with condition variables. `Synchronization.Mutex` has none, and a wait with a timeout needs a condition
/// variable that uses CLOCK_MONOTONIC. `@unchecked` because it *is* the lock.
package final class Monitor: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let conditions: UnsafeMutableBufferPointer<pthread_cond_t>

  package init(conditions count: Int) {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    conditions = .allocate(capacity: count)
    conditions.initialize(repeating: pthread_cond_t())
    Self.check(pthread_mutex_init(mutex, nil))
    var attributes = pthread_condattr_t()
    Self.check(pthread_condattr_init(&attributes))
    Self.check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC))
    for index in 0..<count { Self.check(pthread_cond_init(condition(index), &attributes)) }
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    for index in conditions.indices { pthread_cond_destroy(condition(index)) }
    pthread_mutex_destroy(mutex)
    conditions.deallocate()
    mutex.deallocate()
  }

  package func locked<Result>(_ body: () -> Result) -> Result {
    Self.check(pthread_mutex_lock(mutex))
    defer { Self.check(pthread_mutex_unlock(mutex)) }
    return body()
  }

  /// Waits within `locked` until `isMet` returns true. `isMet` is evaluated under the lock.
  ///
  /// - Parameter deadline: nil waits without limit.
  /// - Returns: whether the condition is met; it is checked once more after the deadline.
  package func wait(for index: Int, until deadline: Deadline?, _ isMet: () -> Bool) -> Bool {
    while !isMet() {
      guard let deadline else {
        Self.check(pthread_cond_wait(condition(index), mutex))
        continue
      }
      var time = deadline.time
      let result = pthread_cond_timedwait(condition(index), mutex, &time)
      if result == ETIMEDOUT { return isMet() }
      Self.check(result)
    }
    return true
  }

  func wakeOne(_ index: Int) { Self.check(pthread_cond_signal(condition(index))) }

  package func wakeAll(_ index: Int) { Self.check(pthread_cond_broadcast(condition(index))) }

  private func condition(_ index: Int) -> UnsafeMutablePointer<pthread_cond_t> { conditions.baseAddress! + index }

  // These calls fail only through misuse, after which no lock can be trusted.
  private static func check(_ result: CInt) {
    precondition(result == 0, "a lock failed with error \(result)")
  }
}
