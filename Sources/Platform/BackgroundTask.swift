/// Work that runs on its own thread and can be waited for later.
package final class BackgroundTask<Value: Sendable>: Sendable {
  private let thread: BackgroundThread
  private let box: Box

  private final class Box: Sendable {
    let monitor = Monitor(conditions: 1)
    // Accessed only under the monitor.
    nonisolated(unsafe) var result: Result<Value, any Error>?

    func set(_ result: Result<Value, any Error>) {
      monitor.locked {
        self.result = result
        monitor.wakeAll(0)
      }
    }
  }

  /// Starts the work.
  package init(_ work: @escaping @Sendable () throws -> Value) {
    let box = Box()
    self.box = box
    thread = BackgroundThread.start("store") { box.set(Result { try work() }) }
  }

  private var result: Result<Value, any Error>? { box.monitor.locked { box.result } }

  /// True once the work is over: waiting for it does not block any more.
  package var isReady: Bool { result != nil }

  /// True if the work is over and threw nothing.
  package var hasSucceeded: Bool { if case .success = result { true } else { false } }

  /// Waits for the work, but not longer than that.
  /// - Returns: whether it is over.
  package func wait(for time: Duration) -> Bool {
    box.monitor.locked { box.monitor.wait(for: 0, until: Deadline(in: time)) { box.result != nil } }
  }

  /// Waits for the work; true if it threw nothing.
  package func waitForSuccess() -> Bool {
    thread.join()
    return hasSucceeded
  }

  /// Waits for the work and returns its value, or throws its error.
  package func finish() throws -> Value {
    thread.join()
    return try result!.get()
  }
}
