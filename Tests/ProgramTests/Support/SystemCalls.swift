import Glibc
import TestSupport
import Testing

@testable import Platform

/// A system call as `strace -f -y` writes it, with paths instead of descriptors.
struct SystemCall {
  /// strace's thread id: each thread has one call in progress.
  let thread: String
  let name: String
  /// The paths of its descriptors and its names, in order; without numbers and bytes.
  let paths: [String]
  /// Whether an openat may create the file.
  let creates: Bool
}

/// The start or the end of a call: other threads' calls may come in between.
enum SystemCallEvent {
  case begun(SystemCall)
  /// The call succeeded.
  case ended(SystemCall)
}

/// A program's system calls in order, as traced by strace.
struct SystemCallTrace {
  private(set) var events: [SystemCallEvent] = []

  /// Whether strace exists and may be used.
  static let isPermitted: Bool = {
    let folder = TestFolder()
    let trial = try? Program(["-f", "-o", "trace", "/bin/true"], in: folder, executable: Self.path)
    if trial?.exitCode() == 0 { return true }
    print("The tests of what is synced, and when, are skipped: strace is not here or may not be used")
    return false
  }()

  static let path = "/usr/bin/strace"

  /// strace's arguments in front of a program's own.
  static func arguments(of calls: [String], to file: String) -> [String] {
    ["-f", "-y", "-s", "0", "-o", file, "-e", "trace=" + calls.joined(separator: ","), "--"]
  }

  init(_ text: String) {
    /// By thread.
    var unfinished: [Substring: SystemCall] = [:]
    for line in text.split(separator: "\n") {
      let thread = line.prefix { $0 != " " }
      let rest = line.dropFirst(thread.count).drop { $0 == " " }
      let hasFailed = rest.contains(" = -1 ")
      if rest.hasPrefix("<... ") {
        if let call = unfinished.removeValue(forKey: thread), !hasFailed { events.append(.ended(call)) }
      } else if let name = rest.split(separator: "(", maxSplits: 1).first, !rest.hasPrefix("-"), !rest.hasPrefix("+") {
        let call = SystemCall(
          thread: String(thread), name: String(name), paths: Self.paths(rest.dropFirst(name.count)),
          creates: rest.contains("O_CREAT"))
        events.append(.begun(call))
        if rest.hasSuffix("<unfinished ...>") {
          unfinished[thread] = call
        } else if !hasFailed {
          events.append(.ended(call))
        }
      }
    }
  }

  /// The text in `7</a path>` and in `"a name"`. Escapes are not supported.
  private static func paths(_ arguments: Substring) -> [String] {
    var paths: [String] = []
    var rest = arguments
    while let start = rest.firstIndex(where: { $0 == "<" || $0 == "\"" }) {
      let close: Character = rest[start] == "<" ? ">" : "\""
      rest = rest[rest.index(after: start)...]
      guard let end = rest.firstIndex(of: close) else { break }
      if rest[..<end] != "unfinished ..." { paths.append(String(rest[..<end])) }
      rest = rest[rest.index(after: end)...]
    }
    return paths
  }
}
