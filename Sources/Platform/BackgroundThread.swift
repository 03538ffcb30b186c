import Glibc
import Synchronization

/// A POSIX thread of its own, for work that blocks and so must not sit on a shared pool.
package final class BackgroundThread: Sendable {
  private let thread: pthread_t
  // Joining a pthread twice is undefined: the first to join does it under the lock, the others wait for the lock.
  private let isJoined = Mutex(false)

  private init(thread: pthread_t) {
    self.thread = thread
  }

  deinit {
    // Nobody can join it any more: the system may forget the thread when it ends.
    if !isJoined.withLock({ $0 }) { pthread_detach(thread) }
  }

  /// Starts a thread that runs `body` once.
  ///
  /// - Parameter name: shown by `top -H` and debuggers; cut to 15 bytes, the kernel's limit.
  ///
  /// Stops the process when the system refuses a thread (its limit of threads or of memory): there is no work without it.
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

  /// Waits until the thread has ended. May be called any number of times, from any thread; called on the thread itself,
  /// which would wait for ever, it returns at once.
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
    // Glibc's module hides pthread_setname_np (a GNU extension); the kernel takes the name from this file just as well.
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    var bytes = Array(name.utf8.prefix(15))
    _ = write(file, &bytes, bytes.count)
    close(file)
  }
}
