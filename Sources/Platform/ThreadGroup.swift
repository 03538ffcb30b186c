import Synchronization

/// Threads that work together and end together: see `withThreads`.
package final class ThreadGroup: Sendable {
  private struct State {
    var threads: [BackgroundThread] = []
    var failure: (any Error)?
  }

  private let stop: StopFlag
  private let state = Mutex(State())

  fileprivate init(stop: StopFlag) { self.stop = stop }

  /// Starts a thread that belongs to the group. If `body` throws, the whole group is to end.
  ///
  /// - Parameter name: as for `BackgroundThread`.
  package func start(_ name: String, _ body: @escaping @Sendable () throws -> Void) {
    let thread = BackgroundThread.start(name) { [self] in
      do { try body() } catch { fail(error) }
    }
    state.withLock { $0.threads.append(thread) }
  }

  fileprivate func fail(_ error: any Error) {
    state.withLock { $0.failure = $0.failure ?? error }
    stop.set()
  }

  fileprivate func join() throws {
    while let thread = state.withLock({ $0.threads.popLast() }) { thread.join() }
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }
}

/// Runs `body`, which starts threads, and returns when all of them have ended.
///
/// - Parameter stop: set as soon as `body` or a thread throws. All of them have to end then.
/// - Throws: the first error of `body` and the threads.
package func withThreads(stop: StopFlag, _ body: (ThreadGroup) throws -> Void) throws {
  let group = ThreadGroup(stop: stop)
  do { try body(group) } catch { group.fail(error) }
  try group.join()
}
