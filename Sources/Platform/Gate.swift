/// A budget that threads share, for example of bytes in flight. Requests are served in order, so that small shares do
/// not starve a large one.
package final class Gate: Sendable {
  private struct State {
    var used = 0
    var isClosed = false
    /// The tickets of the waiting threads, oldest first; at most one per thread.
    var line: [UInt64] = []
    var nextTicket: UInt64 = 0
  }

  private let limit: Int
  private let monitor = Monitor(conditions: 1)
  // Accessed only under the monitor.
  nonisolated(unsafe) private var state = State()

  /// - Parameter limit: in the caller's unit, usually bytes.
  package init(limit: Int) {
    self.limit = limit
  }

  /// Takes a share; blocks until it fits. A share above the limit waits until it has the gate for itself; otherwise it
  /// could never pass.
  ///
  /// - Parameter timeout: nil waits without limit, zero does not wait.
  /// - Returns: false after the timeout or if the gate is closed; nothing is taken then.
  package func acquire(_ share: Int, timeout: Duration?) -> Bool {
    precondition(share >= 0, "a share of \(share) cannot be taken")
    let deadline = timeout.map(Deadline.init(in:))
    return monitor.locked {
      let ticket = state.nextTicket
      state.nextTicket += 1
      state.line.append(ticket)
      let isServed = monitor.wait(for: 0, until: deadline) {
        state.isClosed || (state.line.first == ticket && (state.used == 0 || share <= limit - state.used))
      }
      state.line.removeAll { $0 == ticket }
      // The next thread in line may fit now, even if this one gave up.
      monitor.wakeAll(0)
      guard isServed, !state.isClosed else { return false }
      state.used += share
      return true
    }
  }

  /// Returns a share. Returning more than was taken is a programming error and stops the process.
  package func release(_ share: Int) {
    monitor.locked {
      precondition(share >= 0 && share <= state.used, "\(share) released of \(state.used) taken")
      state.used -= share
      monitor.wakeAll(0)
    }
  }

  /// Refuses all further requests and wakes all waiting threads. Shares that are taken may still be released.
  func close() {
    monitor.locked {
      state.isClosed = true
      monitor.wakeAll(0)
    }
  }

  /// The amount that is taken now.
  package var used: Int { monitor.locked { state.used } }
}
