import Glibc
import Testing

@testable import Platform

/// A system call as `strace -f -y` writes it, with the path in the place of each descriptor.
struct SystemCall {
  /// As strace numbers them: one call at a time is on its way in each.
  let thread: String
  let name: String
  /// Its descriptors' paths and its names, in their order; numbers and bytes are left out.
  let paths: [String]
  /// openat: it makes the file where there is none.
  let creates: Bool
}

/// Where in the order of things a call is: another thread's may come between its beginning and its end.
enum SystemCallEvent {
  case begun(SystemCall)
  /// It did what it was to do.
  case ended(SystemCall)
}

/// What strace has written: which system calls a program made, and in which order.
struct SystemCallTrace {
  private(set) var events: [SystemCallEvent] = []

  /// Where one can be had and the system permits it.
  static let isPermitted: Bool = {
    let folder = Scratch()
    let trial = try? Program(["-f", "-o", "trace", "/bin/true"], in: folder, executable: Self.path)
    if trial?.exitCode() == 0 { return true }
    print("The tests of what is synced, and when, are skipped: strace is not here or may not be used")
    return false
  }()

  static let path = "/usr/bin/strace"

  /// The arguments of strace in front of a program's own.
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

  /// What stands in `7</a path>` and in `"a name"`. Names with escapes are not for this.
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
