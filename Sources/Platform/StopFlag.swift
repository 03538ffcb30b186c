import Synchronization

/// Set once, by whoever wants a service to end; looked at, or waited for, by whatever runs in it.
package final class StopFlag: Sendable {
  private let monitor = Monitor(conditions: 1)
  // Beside the lock, so that a hot loop may look at it for the price of a load.
  private let value = Atomic(false)

  package init() {}

  package var isSet: Bool { value.load(ordering: .acquiring) }

  package func set() {
    monitor.locked {
      value.store(true, ordering: .releasing)
      monitor.wakeAll(0)
    }
  }

  /// Waits at most that long, an interruptible sleep.
  ///
  /// - Returns: true once it is set.
  package func wait(milliseconds: Int) -> Bool {
    let deadline = Deadline(afterMilliseconds: milliseconds)
    return monitor.locked { monitor.wait(for: 0, until: deadline) { isSet } }
  }
}
