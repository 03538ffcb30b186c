import Glibc

/// A moment on CLOCK_MONOTONIC. Setting the wall clock neither extends nor shortens a wait.
package struct Deadline {
  let time: timespec

  /// - Parameter milliseconds: from now; below 0 counts as 0.
  init(afterMilliseconds milliseconds: Int) {
    var time = timespec()
    _ = clock_gettime(CLOCK_MONOTONIC, &time)
    let (seconds, rest) = max(0, milliseconds).quotientAndRemainder(dividingBy: 1000)
    time.tv_sec += seconds
    time.tv_nsec += rest * 1_000_000
    if time.tv_nsec >= 1_000_000_000 {
      time.tv_sec += 1
      time.tv_nsec -= 1_000_000_000
    }
    self.time = time
  }

  /// The time left, rounded up so that a wait for it never ends early and spins; 0 once the deadline has passed.
  var remainingMilliseconds: Int {
    var now = timespec()
    _ = clock_gettime(CLOCK_MONOTONIC, &now)
    let seconds = time.tv_sec - now.tv_sec
    if seconds > 1_000_000_000 { return .max }
    return max(0, (seconds * 1_000_000_000 + time.tv_nsec - now.tv_nsec + 999_999) / 1_000_000)
  }

  var isOver: Bool { remainingMilliseconds == 0 }
}
