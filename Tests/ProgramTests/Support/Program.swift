import Glibc
import TestSupport

@testable import Platform

/// The built program in its own process, which can be killed.
final class Program {
  let process: pid_t
  /// The file with its standard output and error.
  let outputPath: String
  private var status: Int32?
  /// Kept so that its output can be read at the end.
  private let folder: TestFolder

  /// TEST_PROGRAM names another build than the one next to the tests.
  static let path = getenv("TEST_PROGRAM").map { String(cString: $0) } ?? built("image-pipeline")

  /// A program of this package. SwiftPM builds it next to the test bundle.
  static func built(_ name: String) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let bundle = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return bundle.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/" + name
  }

  /// Starts it with the given environment, and none of this process's KAFKA_ variables and settings.
  /// - Parameters:
  /// - executable: another program than ours, for example Python.
  /// - input: a descriptor that becomes its standard input; nil: /dev/null.
  init(
    _ arguments: [String], in folder: TestFolder, environment: [String: String] = [:],
    executable: String = Program.path,
    input: CInt? = nil
  ) throws {
    self.folder = folder
    outputPath = folder.path + "/output-\(UInt32.random(in: 0...UInt32.max)).log"
    var variables = environment
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH"] + Sanitizer.variables where variables[name] == nil {
      variables[name] = getenv(name).map { String(cString: $0) }
    }
    // A killed process must stay silent, and a crash must not wait for a debugger.
    variables["SWIFT_BACKTRACE"] = "enable=no"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input {
      posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    // An embedded broker's sockets are not close-on-exec: a program that inherits them would keep the port in use.
    _ = closeFrom(&actions, 3)
    // The shell changes the folder, which posix_spawn cannot do portably, and becomes the program.
    let shell = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", folder.path, executable]
    var arguments = (shell + arguments).map { strdup($0) } + [nil]
    var entries = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in arguments + entries { free(pointer) } }
    var process: pid_t = 0
    var code: CInt = 0
    Spawning.alone { code = posix_spawn(&process, shell[0], &actions, nil, &arguments, &entries) }
    guard code == 0 else { throw SystemError("start", executable, code: code) }
    self.process = process
  }

  deinit {
    if status == nil {
      kill(process, SIGKILL)
      _ = waitpid(process, nil, 0)
      recordFindings(of: 0)
    }
  }

  /// The names of its threads, to see what a process that hangs is doing.
  var threads: [String] {
    let folder = "/proc/\(process)/task"
    return ((try? Folder.open(folder).names()) ?? []).compactMap { KernelFile.word("\(folder)/\($0)/comm") }
  }

  /// Its output so far, both streams.
  var output: String {
    guard let file = try? File.open(outputPath, .read), let size = try? file.status().size else { return "" }
    var bytes = [UInt8](repeating: 0, count: size)
    let count = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }) ?? 0
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  func signal(_ number: Int32) { kill(process, number) }

  var hasEnded: Bool {
    if status != nil { return true }
    var raw: Int32 = 0
    guard waitpid(process, &raw, WNOHANG) == process else { return false }
    status = raw
    recordFindings(of: raw & 0x7F)
    return true
  }

  /// Its exit code, 128 plus the number of a signal that ended it, or nil if it still runs after the bound.
  func exitCode(within bound: Duration = .seconds(60)) -> Int32? {
    guard eventually(within: bound, { hasEnded }) else { return nil }
    return status.map(Self.code)
  }

  private static func code(_ status: Int32) -> Int32 {
    status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }
}

/// glibc's own function, which its Swift module lacks: closes all descriptors from this one on.
@_silgen_name("posix_spawn_file_actions_addclosefrom_np")
private func closeFrom(_ actions: UnsafeMutablePointer<posix_spawn_file_actions_t>, _ first: Int32) -> Int32
