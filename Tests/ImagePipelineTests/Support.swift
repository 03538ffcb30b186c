import Glibc
import Platform
import Synchronization
import Telemetry
import Testing

/// A folder of a test's own, removed with all that is in it.
final class Scratch {
  let path: String

  init() throws {
    var template = Array("/tmp/image-pipeline-tests-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  deinit {
    if let folder = try? Folder.open(path) { Self.empty(folder) }
    rmdir(path)
  }

  private static func empty(_ folder: Folder) {
    for name in (try? folder.names()) ?? [] {
      if unlinkat(folder.descriptor, name, 0) == 0 { continue }
      if let inner = try? folder.folder(name, creating: false) { empty(inner) }
      unlinkat(folder.descriptor, name, AT_REMOVEDIR)
    }
  }

  static func / (scratch: Scratch, name: String) -> String { scratch.path + "/" + name }

  func folder(_ name: String) throws -> Folder { try Folder.create(self / name) }

  /// Makes the folders on the way, too.
  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    if let slash = name.utf8.lastIndex(of: UInt8(ascii: "/")) { _ = try folder(String(name[..<slash])) }
    let file = try File.open(self / name, .createEmpty)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    return self / name
  }

  func append(_ name: String, _ text: String) throws {
    let file = try File.open(self / name, .create)
    try Array(text.utf8).withUnsafeBytes { try file.write($0, at: file.status().size) }
  }

  func read(_ name: String) throws -> String { String(decoding: try contents(of: self / name), as: UTF8.self) }

  func exists(_ name: String) throws -> Bool { try FileStatus.of(self / name, followingLinks: false) != nil }

  func status(_ name: String) throws -> FileStatus { try #require(try FileStatus.of(self / name)) }

  func names(_ name: String = "") throws -> [String] { try Folder.open(self / name).names().sorted() }

  func link(_ name: String, to target: String) throws { try #require(symlink(target, self / name) == 0) }
}

func contents(of path: String) throws -> [UInt8] {
  let file = try File.open(path, .read)
  var bytes = [UInt8](repeating: 0, count: try file.status().size)
  let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
  return Array(bytes.prefix(count))
}

func digest(of text: String) -> Digest { Array(text.utf8).withUnsafeBytes { SHA256.hash($0) } }

/// A log that keeps its lines.
final class LogLines: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }

  var log: Log {
    Log(level: .trace, format: .text, component: "test") { [self] line in lines.withLock { $0.append(line) } }
  }
}

/// What a body refuses, as a person would read it; nil where it refuses nothing.
func refusal(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch { return "\(error)" }
}
