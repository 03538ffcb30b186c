import Glibc
import Synchronization

/// A POSIX thread for work that blocks, which therefore must not run on a shared pool.
package final class BackgroundThread: Sendable {
  private let thread: pthread_t
  // Joining a pthread twice is undefined. The first caller joins under the lock; the others wait for the lock.
  private let isJoined = Mutex(false)

  private init(thread: pthread_t) {
    self.thread = thread
  }

  deinit {
    // Nobody can join the thread any more, so the system may free it when it ends.
    if !isJoined.withLock({ $0 }) { pthread_detach(thread) }
  }

  /// Starts a thread that runs `body` once.
  ///
  /// - Parameter name: shown by `top -H` and debuggers; cut to 15 bytes, the kernel's limit.
  ///
  /// Stops the process if the system refuses to create a thread (thread limit or memory): no work is possible without
  /// it.
  package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> BackgroundThread {
    let start = Unmanaged.passRetained(Start(name: name, body: body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
        start.nameThisThread()
        start.body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      fatalError("cannot start the thread \(name): \(String(cString: strerror(code))). Raise the limit of processes")
    }
    return BackgroundThread(thread: thread)
  }

  /// Waits until the thread has ended. May be called any number of times, from any thread. Called on the thread itself,
  /// it returns at once instead of waiting forever.
  package func join() {
    if isCurrent { return }
    isJoined.withLock { isJoined in
      if !isJoined { pthread_join(thread, nil) }
      isJoined = true
    }
  }

  /// Whether the caller runs on this thread.
  package var isCurrent: Bool { pthread_equal(pthread_self(), thread) != 0 }
}

private final class Start: Sendable {
  let name: String
  let body: @Sendable () -> Void

  init(name: String, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }

  func nameThisThread() {
    // Glibc's module hides pthread_setname_np (a GNU extension). Writing the name to this file has the same effect.
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    var bytes = Array(name.utf8.prefix(15))
    _ = write(file, &bytes, bytes.count)
    close(file)
  }
}
