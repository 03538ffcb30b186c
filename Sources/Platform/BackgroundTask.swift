import Synchronization

/// Something that is done on a thread of its own, and waited for later.
package final class BackgroundTask<Value: Sendable>: Sendable {
  private let thread: BackgroundThread
  private let box: Box

  private final class Box: Sendable {
    let result = Mutex<Result<Value, any Error>?>(nil)
  }

  /// Begins it.
  package init(_ work: @escaping @Sendable () throws -> Value) {
    let box = Box()
    self.box = box
    thread = BackgroundThread.start("store") {
      let result = Result { try work() }
      box.result.withLock { $0 = result }
    }
  }

  /// Nobody has to wait for it any more.
  package var isReady: Bool { box.result.withLock { $0 != nil } }

  /// True where it is over and has thrown nothing.
  package var hasSucceeded: Bool { box.result.withLock { if case .success = $0 { true } else { false } } }

  /// Waits for it; true where it has thrown nothing.
  package var succeeds: Bool {
    thread.join()
    return hasSucceeded
  }

  /// Waits for it.
  package func finish() throws -> Value {
    thread.join()
    return try box.result.withLock { $0! }.get()
  }
}
