internal import CSystem
import Glibc

/// Handles the signals that ask a process to stop. A thread receives them as ordinary events; no code runs in a signal
/// handler.
package enum Signals {
  /// Receives SIGTERM and SIGINT on a thread of its own: the first signal sets the flag, each further one calls
  /// `secondSignal`. Ignores SIGPIPE, so that writing to a closed connection returns an error.
  ///
  /// Call it once, first in `main`: it blocks the signals in the calling thread and in all threads started later.
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
