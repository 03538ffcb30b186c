import Glibc

/// A moment by which something has to be done: every wait in this module ends at one.
package struct Deadline {
  private let end: Int64

  init(milliseconds: Int) {
    end = Self.now + Int64(max(0, milliseconds))
  }

  /// Milliseconds left, 0 when it has passed, at most `limit`.
  func remaining(atMost limit: Int32 = .max) -> Int32 {
    Int32(clamping: min(Int64(limit), max(0, end - Self.now)))
  }

  var hasPassed: Bool { Self.now >= end }

  /// Lets a moment pass before something is asked again.
  func pause(milliseconds: Int32) {
    usleep(UInt32(remaining(atMost: milliseconds)) * 1000)
  }

  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}

/// Opens once, for ever; others wait for it with a bound.
final class Latch: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var isOpen = false

  init() {
    pthread_mutex_init(mutex, nil)
    // The wall clock may jump; a bound must not.
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

  /// True once open, false when the time ran out first.
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

/// A pointer of the library's, whose functions are thread-safe, on its way to another thread.
struct Carried<Value>: @unchecked Sendable {
  let value: Value
}
