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

/// Carries a pointer of the library, whose functions are thread-safe, to another thread.
struct Carried<Value>: @unchecked Sendable {
  let value: Value
}
