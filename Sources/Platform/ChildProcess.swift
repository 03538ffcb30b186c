internal import CSystem
import Glibc

/// Runs another program, or this one once more, and reads what it writes.
package struct ChildProcess: Sendable {
  package enum Stream: Sendable { case output, error }

  let path: String
  let arguments: [String]
  let environment: [String: String]
  /// How long the program may take to end after it was asked to.
  let patience: Duration

  /// Longer lines are cut.
  static let longestLine = 64 << 10
  /// - Parameters:
  ///   - path: of the program.
  ///   - arguments: the first one is the program's name.
  package init(
    _ path: String, _ arguments: [String], environment: [String: String], patience: Duration = .seconds(10)
  ) {
    self.path = path
    self.arguments = arguments
    self.environment = environment
    self.patience = patience
  }

  /// Starts the program and waits for its end.
  ///
  /// - Parameters:
  ///   - stop: once it is set, the program is asked to end, and killed if it does not.
  ///   - line: called with each line that the program writes, without its end.
  /// - Returns: the exit code, or 128 and the number of the signal that ended it.
  package func run(stop: StopFlag, _ line: (Stream, String) -> Void) throws(SystemError) -> Int32 {
    let (output, error) = (try Pipe(), try Pipe())
    let process = try start(output, error)
    output.closeWriting()
    error.closeWriting()
    var deadline: Deadline?
    var pipes: [(Stream, Pipe)] = [(.output, output), (.error, error)]
    while !pipes.isEmpty {
      var polled = pipes.map { pollfd(fd: $0.1.reading, events: Int16(POLLIN), revents: 0) }
      _ = poll(&polled, nfds_t(polled.count), 200)
      for (index, pipe) in pipes.enumerated().reversed() where polled[index].revents != 0 {
        if !pipe.1.read({ line(pipe.0, $0) }) { pipes.remove(at: index) }
      }
      if stop.isSet { end(process, &deadline) }
    }
    return Self.exitCode(of: process)
  }

  private func start(_ output: Pipe, _ error: Pipe) throws(SystemError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.writing, 1)
    posix_spawn_file_actions_adddup2(&actions, error.writing, 2)
    // Not every library opens its sockets so that they close by themselves.
    system_close_from(&actions, 3)
    // This process may block or ignore signals that end the other one.
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var arguments = arguments.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in arguments + variables { free(pointer) } }
    var process: pid_t = 0
    var code: CInt = 0
    Spawning.alone { code = posix_spawn(&process, path, &actions, &attributes, &arguments, &variables) }
    guard code == 0 else { throw SystemError("start", path, code: code) }
    return process
  }

  private func end(_ process: pid_t, _ deadline: inout Deadline?) {
    if let deadline {
      if deadline.hasPassed { kill(process, SIGKILL) }
    } else {
      deadline = Deadline(in: patience)
      kill(process, SIGTERM)
    }
  }

  private static func exitCode(of process: pid_t) -> Int32 {
    var status: Int32 = 0
    while waitpid(process, &status, 0) == -1, errno == EINTR {}
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }
}

/// A pipe from another process, read in lines.
private final class Pipe {
  let reading: CInt
  private(set) var writing: CInt
  private var rest: [UInt8] = []

  init() throws(SystemError) {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw SystemError("create", "a pipe") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (reading, writing) = (ends[0], ends[1])
  }

  deinit {
    close(reading)
    closeWriting()
  }

  func closeWriting() {
    if writing >= 0 { close(writing) }
    writing = -1
  }

  /// Reads once.
  /// - Returns: false at the end.
  func read(_ line: (String) -> Void) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    let count = Glibc.read(reading, &bytes, bytes.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return true }
    for byte in bytes.prefix(max(0, count)) {
      if byte == 0x0A { hand(line) } else if rest.count < ChildProcess.longestLine { rest.append(byte) }
    }
    guard count <= 0 else { return true }
    if !rest.isEmpty { hand(line) }
    return false
  }

  private func hand(_ line: (String) -> Void) {
    line(String(decoding: rest, as: UTF8.self))
    rest.removeAll(keepingCapacity: true)
  }
}
