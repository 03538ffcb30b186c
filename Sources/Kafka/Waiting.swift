import Glibc

/// A moment by which an operation must be done. Every wait in this module is limited by one.
package struct Deadline {
  private let end: Int64

  init(milliseconds: Int) {
    end = Self.now + Int64(max(0, milliseconds))
  }

  /// Milliseconds left, at most `limit`; 0 once the deadline has passed.
  func remaining(atMost limit: Int32 = .max) -> Int32 {
    Int32(clamping: min(Int64(limit), max(0, end - Self.now)))
  }

  var hasPassed: Bool { Self.now >= end }

  /// Pauses before a retry, but not beyond the deadline.
  func pause(milliseconds: Int32) {
    usleep(UInt32(remaining(atMost: milliseconds)) * 1000)
  }

  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}

/// Opens once and stays open; other threads wait for it with a timeout.
final class Latch: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var isOpen = false

  init() {
    pthread_mutex_init(mutex, nil)
    // The wall clock may jump; a timeout must not.
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func open() {
    pthread_mutex_lock(mutex)
    isOpen = true
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  /// True once open, false if the timeout passed first.
  @discardableResult
  func wait(milliseconds: Int) -> Bool {
    var end = timespec()
    clock_gettime(CLOCK_MONOTONIC, &end)
    end.tv_sec += milliseconds / 1000
    end.tv_nsec += milliseconds % 1000 * 1_000_000
    if end.tv_nsec >= 1_000_000_000 {
      end.tv_sec += 1
      end.tv_nsec -= 1_000_000_000
    }
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !isOpen {
      if pthread_cond_timedwait(condition, mutex, &end) == ETIMEDOUT { break }
    }
    return isOpen
  }
}

/// Carries a pointer of the library, whose functions are thread-safe, to another thread.
struct Carried<Value>: @unchecked Sendable {
  let value: Value
}
