/// A budget that threads share, bytes in flight for one. Who asks first is served first, so that a large share is not
/// starved by small ones.
package final class Gate: Sendable {
  private struct State {
    var used = 0
    var isClosed = false
    /// The tickets of those who wait, oldest first: as many as there are threads.
    var line: [UInt64] = []
    var nextTicket: UInt64 = 0
  }

  private let limit: Int
  private let monitor = Monitor(conditions: 1)
  // Touched under the monitor alone.
  nonisolated(unsafe) private var state = State()

  /// - Parameter limit: in the caller's unit, bytes as a rule.
  package init(limit: Int) {
    self.limit = limit
  }

  /// Takes a share, and blocks until it fits. A share above the limit gets the whole gate for itself, or it could never
  /// pass.
  ///
  /// - Parameter timeoutMilliseconds: nil waits without bound, 0 only looks.
  /// - Returns: false once the time is over or the gate is closed; then nothing was taken.
  package func acquire(_ share: Int, timeoutMilliseconds: Int?) -> Bool {
    precondition(share >= 0, "a share of \(share) cannot be taken")
    let deadline = timeoutMilliseconds.map(Deadline.init(afterMilliseconds:))
    return monitor.locked {
      let ticket = state.nextTicket
      state.nextTicket += 1
      state.line.append(ticket)
      let isServed = monitor.wait(for: 0, until: deadline) {
        state.isClosed || (state.line.first == ticket && (state.used == 0 || share <= limit - state.used))
      }
      state.line.removeAll { $0 == ticket }
      // Whoever is first now may fit, even when this one gave up.
      monitor.wakeAll(0)
      guard isServed, !state.isClosed else { return false }
      state.used += share
      return true
    }
  }

  /// Gives a share back. More than is taken is a mistake of the caller and ends the process.
  package func release(_ share: Int) {
    monitor.locked {
      precondition(share >= 0 && share <= state.used, "\(share) released of \(state.used) taken")
      state.used -= share
      monitor.wakeAll(0)
    }
  }

  /// Lets nobody in from now on and wakes all who wait. What is taken may still be released.
  func close() {
    monitor.locked {
      state.isClosed = true
      monitor.wakeAll(0)
    }
  }

  /// What is taken now.
  package var used: Int { monitor.locked { state.used } }
}
