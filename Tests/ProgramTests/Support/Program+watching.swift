import Glibc
import TestSupport
import Testing

@testable import Platform

/// Helpers for tests of a running producer.
extension Program {
  /// Waits until a producer without `--once` watches its folder. The file that shows it, `ready.jpg`, is on the topic
  /// then.
  func startsWatching(_ folder: TestFolder, _ topic: TopicContent, input: String = "images") -> Bool {
    eventually {
      // A file that came before the watch is followed by the next. Renamed, it is never seen half written.
      let hidden = try folder.write(input + "/.ready", [1])
      rename(hidden, folder.path + "/" + input + "/ready.jpg")
      return try topic.names().contains("ready.jpg")
    }
  }

  /// Ends it with SIGTERM, as an operator does.
  func terminate(within bound: Duration = .seconds(20)) -> Int32? {
    signal(SIGTERM)
    return exitCode(within: bound)
  }

  /// Whether it is suspended, by a signal or at a fault point.
  var isSuspended: Bool { lines(of: "stat").first?.split(separator: ")").last?.hasPrefix(" T") == true }

  /// Its peak resident memory in bytes; nil if it has ended.
  var peakMemory: Int? {
    lines(of: "status").first { $0.hasPrefix("VmHWM:") }
      .flatMap { $0.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first }
      .flatMap { Int($0) }.map { $0 << 10 }
  }

  /// Waits for its end and tracks its peak memory, which the kernel forgets at the exit.
  ///
  /// `wait4` would not do: for a spawned process, its peak starts with the size of the parent.
  func exitCodeAndPeakMemory(within bound: Duration) -> (code: Int32?, peak: Int) {
    var peak = 0
    _ = eventually(within: bound) {
      peak = max(peak, peakMemory ?? 0)
      return exitCode(within: .zero) != nil
    }
    return (exitCode(within: .zero), peak)
  }

  /// The CPU time it has used; nil if it has ended.
  var processorTime: Duration? {
    // The second field is the name in parentheses, which may contain spaces.
    guard let text = lines(of: "stat").first?.split(separator: ")").last else { return nil }
    let fields = text.split(separator: " ")
    guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else { return nil }
    return .milliseconds((user + system) * 1_000 / sysconf(CInt(_SC_CLK_TCK)))
  }

  /// The lines of a file in its /proc folder.
  func lines(of name: String) -> [Substring] {
    guard let file = try? File.open("/proc/\(process)/\(name)", .read) else { return [] }
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    let count = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }) ?? 0
    return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
  }
}

extension TopicContent {
  /// Writes a file into the input and waits until it is on the topic: earlier changes have been dealt with by then.
  func receives(_ name: String, from folder: TestFolder) -> Bool {
    guard (try? folder.write("images/" + name, [0])) != nil else { return false }
    return eventually { try names().contains(name) }
  }
}
