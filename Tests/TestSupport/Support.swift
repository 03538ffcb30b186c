import Glibc
package import Platform
import Synchronization
import Testing

@testable package import Telemetry

/// A folder of a test's own, removed with all that is in it.
package final class Scratch {
  package let path: String

  package init() throws {
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

  package static func / (scratch: Scratch, name: String) -> String { scratch.path + "/" + name }

  package func folder(_ name: String) throws -> Folder { try Folder.create(self / name) }

  /// Makes the folders on the way, too.
  @discardableResult
  package func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  @discardableResult
  package func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    if let slash = name.utf8.lastIndex(of: UInt8(ascii: "/")) { _ = try folder(String(name[..<slash])) }
    let file = try File.open(self / name, .createEmpty)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    return self / name
  }

  package func append(_ name: String, _ text: String) throws {
    let file = try File.open(self / name, .create)
    try Array(text.utf8).withUnsafeBytes { try file.write($0, at: file.status().size) }
  }

  package func read(_ name: String) throws -> String { String(decoding: try contents(of: self / name), as: UTF8.self) }

  package func exists(_ name: String) throws -> Bool { try FileStatus.of(self / name, followingLinks: false) != nil }

  package func status(_ name: String) throws -> FileStatus { try #require(try FileStatus.of(self / name)) }

  package func names(_ name: String = "") throws -> [String] { try Folder.open(self / name).names().sorted() }

  package func link(_ name: String, to target: String) throws { try #require(symlink(target, self / name) == 0) }
}

package func contents(of path: String) throws -> [UInt8] {
  let file = try File.open(path, .read)
  var bytes = [UInt8](repeating: 0, count: try file.status().size)
  let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
  return Array(bytes.prefix(count))
}

package func digest(of text: String) -> Digest { Array(text.utf8).withUnsafeBytes { SHA256.hash($0) } }

/// A log that keeps its lines.
package final class LogLines: Sendable {
  package init() {}

  private let lines = Mutex<[String]>([])
  package var all: [String] { lines.withLock { $0 } }

  package var log: Log {
    Log(level: .trace, format: .text, component: "test") { [self] line in lines.withLock { $0.append(line) } }
  }
}

/// What a body refuses, as a person would read it; nil where it refuses nothing.
package func refusal(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch { return "\(error)" }
}
