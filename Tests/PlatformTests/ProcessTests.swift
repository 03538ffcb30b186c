import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Platform

@Suite struct SignalsTests {
  @Test("the first signal sets the flag, each further one calls the handler") func firstSignalSetsFlag() throws {
    var before = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

    let flag = StopFlag()
    let calls = Counter()
    Signals.stop(on: flag) { calls.value.add(1, ordering: .releasing) }
    var mask = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &mask)
    #expect(sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1)

    // Only to that thread: the test runner's threads do not block the signals and would end the process.
    var thread: CInt?
    let hasStarted = eventually {
      thread = Self.threadNamed("signals")
      return thread != nil
    }
    #expect(hasStarted)
    let target = try #require(thread)
    #expect(!flag.isSet)
    #expect(tgkill(getpid(), target, SIGTERM) == 0)
    #expect(eventually { flag.isSet })
    #expect(calls.value.load(ordering: .acquiring) == 0)
    for expected in 1...2 {
      #expect(tgkill(getpid(), target, SIGINT) == 0)
      #expect(eventually { calls.value.load(ordering: .acquiring) == expected })
    }

    var pipes: [CInt] = [0, 0]
    try #require(pipe(&pipes) == 0)
    close(pipes[0])
    #expect(write(pipes[1], "x", 1) == -1 && errno == EPIPE)
    close(pipes[1])
  }

  private static func threadNamed(_ name: String) -> CInt? {
    let threads = (try? Folder.open("/proc/self/task").names()) ?? []
    return threads.first { (try? TestFolder.contents(of: "/proc/self/task/\($0)/comm")) == name + "\n" }
      .flatMap { CInt($0) }
  }
}

@Suite struct HostIdentityTests {
  @Test("the boot id is a UUID without a line end") func bootIDIsAUUID() {
    #expect(HostIdentity.bootID.utf8.count == 36)
    #expect(HostIdentity.bootID == HostIdentity.bootID)
    #expect(HostIdentity.userAndGroup == (geteuid(), getegid()))
  }
}

@Suite struct TerminalTests {
  @Test("a text is written whole to a full, non-blocking pipe") func fullPipeGetsWholeText() throws {
    var pipes: [CInt] = [0, 0]
    try #require(pipe(&pipes) == 0)
    try #require(fcntl(pipes[1], F_SETFL, O_NONBLOCK) == 0)
    let (input, output) = (pipes[0], pipes[1])
    #expect(!Terminal.isTerminal(output) && !Terminal.canRedraw(output) && !Terminal.wantsColour(output))

    let text = String(repeating: "0123456789", count: 50_000)
    let reader = Reader(input)
    Terminal.write(text, to: output)
    close(output)
    #expect(reader.result() == text)
  }
}

private final class Counter: Sendable {
  let value = Atomic(0)
}

// tgkill(2) is missing in Swift's Glibc.
@_silgen_name("tgkill")
private func tgkill(_ process: pid_t, _ thread: CInt, _ signal: CInt) -> CInt

/// Reads a descriptor to its end on a separate thread, then closes it.
private final class Reader: Sendable {
  private let bytes = BoundedQueue<[UInt8]>(capacity: 1000)

  init(_ descriptor: CInt) {
    let bytes = self.bytes
    let thread = Unmanaged.passRetained(
      Body {
        var buffer = [UInt8](repeating: 0, count: 10_000)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
          _ = bytes.push(Array(buffer.prefix(count)))
        }
        close(descriptor)
        bytes.close()
      })
    var id = pthread_t()
    pthread_create(
      &id, nil,
      { context in
        Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, thread.toOpaque())
    pthread_detach(id)
  }

  func result() -> String {
    var all: [UInt8] = []
    while let next = bytes.pop(timeout: .seconds(20)) { all += next }
    return String(decoding: all, as: UTF8.self)
  }

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
}
