import Glibc
import Testing

@testable import Platform

/// What tests of a producer that goes on need again and again.
extension Program {
  /// Waits until a producer without `--once` takes what is written: its watch of the folder stands.
  /// The file that shows it, `ready.jpg`, is on the topic then.
  func isWatching(_ folder: Scratch, _ topic: TopicContent, input: String = "images") -> Bool {
    eventually {
      // Where it came too early for the event, the next one counts. Moved in, it is never seen half.
      let hidden = try folder.write(input + "/.ready", [1])
      rename(hidden, folder.path + "/" + input + "/ready.jpg")
      return try topic.names().contains("ready.jpg")
    }
  }

  /// Ends it as an operator does.
  func terminate(withinSeconds seconds: Int = 20) -> Int32? {
    signal(SIGTERM)
    return exitCode(withinSeconds: seconds)
  }

  /// Stopped by a signal, or at a fault point.
  var standsStill: Bool { lines(of: "stat").first?.split(separator: ")").last?.hasPrefix(" T") == true }

  /// Its resident memory at the highest, in bytes; nil where it has ended.
  var peakMemory: Int? {
    lines(of: "status").first { $0.hasPrefix("VmHWM:") }
      .flatMap { $0.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first }
      .flatMap { Int($0) }.map { $0 << 10 }
  }

  /// Waits for its end, and watches its memory meanwhile, which the kernel forgets with it.
  ///
  /// Not by `wait4`: of a process that was spawned, that begins with the size of the one that did.
  func exitCodeAndPeakMemory(withinSeconds seconds: Int) -> (code: Int32?, peak: Int) {
    var peak = 0
    _ = eventually(withinSeconds: seconds) {
      peak = max(peak, peakMemory ?? 0)
      return exitCode(withinSeconds: 0) != nil
    }
    return (exitCode(withinSeconds: 0), peak)
  }

  /// The CPU time it has used, in ms; nil where it has ended.
  var processorMilliseconds: Int? {
    // The second field is the name in parentheses, which may hold spaces.
    guard let text = lines(of: "stat").first?.split(separator: ")").last else { return nil }
    let fields = text.split(separator: " ")
    guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else { return nil }
    return (user + system) * 1_000 / sysconf(CInt(_SC_CLK_TCK))
  }

  /// Of a file below /proc that tells of it.
  func lines(of name: String) -> [Substring] {
    guard let file = try? File.open("/proc/\(process)/\(name)", .read) else { return [] }
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    let count = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }) ?? 0
    return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
  }
}

extension Scratch {
  /// Adds bytes at a file's end and leaves it open, as a slow writer does.
  func append(_ bytes: [UInt8], to file: File) throws {
    let size = try file.status().size
    try bytes.withUnsafeBytes { try file.write($0, at: size) }
  }

  /// Writes over a file's first bytes, in place, and closes it.
  func overwrite(_ name: String, _ bytes: [UInt8]) throws {
    let file = try File.open(path + "/" + name, .readWrite)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
  }

  /// Makes a folder, with those on its way.
  func makeFolder(_ name: String) throws { _ = try Folder.create(path + "/" + name) }

  func move(_ name: String, to newName: String) throws {
    guard rename(path + "/" + name, path + "/" + newName) == 0 else { throw SystemError("rename", name) }
  }

  func makeLink(_ name: String, to target: String) throws {
    guard symlink(target, path + "/" + name) == 0 else { throw SystemError("link", name) }
  }

  func makeHardLink(_ name: String, to target: String) throws {
    guard link(path + "/" + target, path + "/" + name) == 0 else { throw SystemError("link", name) }
  }

  /// Sets a file's times to now and leaves its bytes alone.
  func touch(_ name: String) throws {
    guard utimensat(AT_FDCWD, path + "/" + name, nil, 0) == 0 else { throw SystemError("touch", name) }
  }

  /// Sets when a file's bytes last changed, in ns since 1970.
  func setTime(of name: String, nanoseconds: Int64) throws {
    let time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    let times = [time, time]
    guard utimensat(AT_FDCWD, path + "/" + name, times, 0) == 0 else { throw SystemError("set the time of", name) }
  }

  func exists(_ name: String) -> Bool { access(path + "/" + name, F_OK) == 0 }
}
