import Glibc
import Testing

@testable import Platform

struct ChildProcessTests {
  private func run(
    _ script: String, environment: [String: String] = [:], patience: Duration = .seconds(10),
    stop: StopFlag = StopFlag()
  ) throws -> (code: Int32, output: [String], error: [String]) {
    var (output, error): ([String], [String]) = ([], [])
    let child = ChildProcess("/bin/sh", ["sh", "-c", script], environment: environment, patience: patience)
    let code = try child.run(stop: stop) { stream, line in
      if stream == .output { output.append(line) } else { error.append(line) }
    }
    return (code, output, error)
  }

  @Test("lines of both streams and the exit code arrive, and the environment is the given one") func lines() throws {
    let result = try run("echo one; echo bad >&2; echo; printf \"$WORD\"; exit 3", environment: ["WORD": "last"])
    #expect(result.output == ["one", "", "last"])
    #expect(result.error == ["bad"])
    #expect(result.code == 3)
  }

  @Test("a line without an end is cut, and what follows is complete") func longLine() throws {
    let result = try run("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo next")
    #expect(result.output.map(\.utf8.count) == [ChildProcess.longestLine, 4])
    #expect(result.output.last == "next")
  }

  @Test("a program that a signal ends has the signal in its exit code, although it is blocked here") func signals()
    throws
  {
    var (signals, before) = (sigset_t(), sigset_t())
    sigemptyset(&signals)
    sigaddset(&signals, SIGTERM)
    pthread_sigmask(SIG_BLOCK, &signals, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    #expect(try run("kill -TERM $$; echo survived").code == 128 + SIGTERM)
  }

  @Test("a program gets no open files of this process") func descriptors() throws {
    let open = Glibc.open("/dev/null", O_RDONLY)
    defer { close(open) }
    #expect(open > 2)
    #expect(try run("test -e /proc/self/fd/\(open)").code == 1)
  }

  @Test("a program ends when this one stops", arguments: [false, true]) func stopping(ignoresTERM: Bool) throws {
    let stop = StopFlag()
    var code: Int32?
    let script = (ignoresTERM ? "trap '' TERM; " : "") + "echo ready; while :; do sleep 0.05; done"
    let child = ChildProcess(
      "/bin/sh", ["sh", "-c", script], environment: ["PATH": "/usr/bin:/bin"], patience: .milliseconds(300))
    code = try child.run(stop: stop) { _, line in if line == "ready" { stop.set() } }
    #expect(code == 128 + (ignoresTERM ? SIGKILL : SIGTERM))
  }

  @Test("a program that does not exist is an error with its path") func absent() {
    let child = ChildProcess("/nowhere/program", ["program"], environment: [:])
    #expect(throws: SystemError("start", "/nowhere/program", code: ENOENT)) {
      try child.run(stop: StopFlag()) { _, _ in }
    }
  }
}
