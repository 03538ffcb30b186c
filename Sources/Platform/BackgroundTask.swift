import Synchronization

/// Work that runs on its own thread and can be waited for later.
package final class BackgroundTask<Value: Sendable>: Sendable {
  private let thread: BackgroundThread
  private let box: Box

  private final class Box: Sendable {
    let result = Mutex<Result<Value, any Error>?>(nil)
  }

  /// Starts the work.
  package init(_ work: @escaping @Sendable () throws -> Value) {
    let box = Box()
    self.box = box
    thread = BackgroundThread.start("store") {
      let result = Result { try work() }
      box.result.withLock { $0 = result }
    }
  }

  /// True once the work is over: waiting for it does not block any more.
  package var isReady: Bool { box.result.withLock { $0 != nil } }

  /// True if the work is over and threw nothing.
  package var hasSucceeded: Bool { box.result.withLock { if case .success = $0 { true } else { false } } }

  /// Waits for the work; true if it threw nothing.
  package func waitForSuccess() -> Bool {
    thread.join()
    return hasSucceeded
  }

  /// Waits for the work and returns its value, or throws its error.
  package func finish() throws -> Value {
    thread.join()
    return try box.result.withLock { $0! }.get()
  }
}
