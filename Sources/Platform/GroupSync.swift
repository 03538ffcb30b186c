/// Syncs a file system for several threads at once. While one sync runs, the callers that arrive wait for the next one,
/// and share it.
///
/// The kernel reports a lost page once, to whichever sync comes first, and then forgets it. It may be a page of a thread
/// that has not called yet. So an error is thrown to everyone who had begun to write before it.
package final class GroupSync: Sendable {
  /// A moment before the first write.
  package struct Mark: Sendable {
    fileprivate let failures: Int
  }

  private struct State {
    var isRunning = false
    /// The number of the next sync, and of those that are over.
    var next = 0
    var over = 0
    var failures = 0
    var lastError: (any Error)?
  }

  private let sync: @Sendable () throws -> Void
  private let monitor = Monitor(conditions: 1)
  // Accessed only under the monitor.
  nonisolated(unsafe) private var state = State()

  /// - Parameter sync: returns once everything that was written before is on disk.
  package init(_ sync: @escaping @Sendable () throws -> Void) { self.sync = sync }

  /// To be called before the first write that `sync(since:)` is to make durable.
  package func mark() -> Mark { monitor.locked { Mark(failures: state.failures) } }

  /// Returns once everything that the caller has written is on disk.
  ///
  /// - Throws: the error of a sync that failed since `mark`: then none of it can be relied on.
  package func sync(since mark: Mark) throws {
    let leads = monitor.locked {
      let mine = state.next
      _ = monitor.wait(for: 0, until: nil) { state.over > mine || !state.isRunning }
      if state.over > mine { return false }
      state.isRunning = true
      state.next += 1
      return true
    }
    if leads { run() }
    let error = monitor.locked { state.failures > mark.failures ? state.lastError : nil }
    if let error { throw error }
  }

  private func run() {
    let result = Result { try sync() }
    monitor.locked {
      if case .failure(let error) = result {
        state.failures += 1
        state.lastError = error
      }
      state.over = state.next
      state.isRunning = false
      monitor.wakeAll(0)
    }
  }
}
