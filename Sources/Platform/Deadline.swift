import Glibc

/// A moment on CLOCK_MONOTONIC by which an operation must be done. Setting the wall clock neither extends nor shortens a
/// wait.
package struct Deadline: Sendable {
  let time: timespec

  /// - Parameter duration: from now; below 0 counts as 0. Beyond a century there is no limit in practice.
  package init(in duration: Duration) {
    var time = timespec()
    _ = clock_gettime(CLOCK_MONOTONIC, &time)
    let (seconds, attoseconds) = min(max(.zero, duration), .seconds(3_155_760_000)).components
    time.tv_sec += Int(seconds)
    time.tv_nsec += Int(attoseconds / 1_000_000_000)
    if time.tv_nsec >= 1_000_000_000 {
      time.tv_sec += 1
      time.tv_nsec -= 1_000_000_000
    }
    self.time = time
  }

  /// The time left; zero once the deadline has passed.
  package var remaining: Duration {
    var now = timespec()
    _ = clock_gettime(CLOCK_MONOTONIC, &now)
    return max(.zero, .seconds(time.tv_sec - now.tv_sec) + .nanoseconds(time.tv_nsec - now.tv_nsec))
  }

  /// The time left in ms, for functions of C: at most `limit`, and rounded up, so that a wait for it never ends early
  /// and spins.
  package func milliseconds(atMost limit: Int32 = .max) -> Int32 {
    Int32(clamping: min(Int(limit), (remaining + .nanoseconds(999_999)).inMilliseconds))
  }

  package var hasPassed: Bool { remaining == .zero }

  /// Sleeps that long, but not beyond the deadline.
  package func pause(for duration: Duration) { Deadline(in: min(duration, remaining)).sleep() }

  /// Sleeps until the deadline, whatever signals arrive. A sleep that must end early waits on a `StopFlag` instead.
  package func sleep() {
    var time = time
    while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
  }
}

/// The clock for durations. It stands still while the host sleeps, as do the programs on it: a file is not finished because
/// its writer slept.
package typealias MonotonicClock = SuspendingClock

extension Duration {
  /// Whole milliseconds, rounded towards zero.
  package var inMilliseconds: Int {
    Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000)
  }
}
