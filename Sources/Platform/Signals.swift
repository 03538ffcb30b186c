internal import CSystem
import Glibc

/// The signals that ask a process to end, taken by a thread as ordinary events: nothing runs in a signal handler.
package enum Signals {
  /// Takes SIGTERM and SIGINT: the first sets the flag, each further one calls `secondSignal`, on a thread of its own.
  /// Ignores SIGPIPE, so that a closed connection is an error of its write.
  ///
  /// Call it first in `main`, once: the signals are blocked in this thread and in those that are started later.
  package static func stop(on flag: StopFlag, secondSignal: @escaping @Sendable () -> Void) {
    _ = signal(SIGPIPE, SIG_IGN)
    var signals = stopSignals()
    pthread_sigmask(SIG_BLOCK, &signals, nil)

    let context = Unmanaged.passRetained(Watch(flag: flag, secondSignal: secondSignal))
    var thread = pthread_t()
    let result = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Watch>.fromOpaque(context!).takeRetainedValue().run()
      }, context.toOpaque())
    precondition(result == 0, "no thread for signals: \(SystemError("start", "a thread", code: result))")
    _ = pthread_setname_np(thread, "signals")
    pthread_detach(thread)
  }

  fileprivate static func stopSignals() -> sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGTERM)
    sigaddset(&signals, SIGINT)
    return signals
  }
}

private final class Watch: Sendable {
  let flag: StopFlag
  let secondSignal: @Sendable () -> Void

  init(flag: StopFlag, secondSignal: @escaping @Sendable () -> Void) {
    self.flag = flag
    self.secondSignal = secondSignal
  }

  func run() -> Never {
    var signals = Signals.stopSignals()
    while true {
      var number: CInt = 0
      if sigwait(&signals, &number) != 0 { continue }
      if flag.isSet { secondSignal() } else { flag.set() }
    }
  }
}
