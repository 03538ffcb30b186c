import Synchronization

/// A flag that asks a service to stop. It is set once, and can be checked or waited for.
package final class StopFlag: Sendable {
  private let monitor = Monitor(conditions: 1)
  // Outside of the lock, so that a hot loop can check it for the price of one load.
  private let value = Atomic(false)

  package init() {}

  package var isSet: Bool { value.load(ordering: .acquiring) }

  package func set() {
    monitor.locked {
      value.store(true, ordering: .releasing)
      monitor.wakeAll(0)
    }
  }

  /// Waits at most that long: an interruptible sleep.
  ///
  /// - Returns: true if the flag is set.
  package func wait(for duration: Duration) -> Bool {
    let deadline = Deadline(in: duration)
    return monitor.locked { monitor.wait(for: 0, until: deadline) { isSet } }
  }
}
