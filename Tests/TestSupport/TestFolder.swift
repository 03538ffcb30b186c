import Glibc
package import Platform
import Testing

/// A folder of a test's own, removed with everything in it when the test ends.
package final class TestFolder: @unchecked Sendable {
  package let path: String
  package let folder: Folder

  package init() {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((base + "/image-pipeline-tests-XXXXXX").utf8CString)
    guard let created = mkdtemp(&template), let folder = try? Folder.open(String(cString: created)) else {
      fatalError("no temporary folder can be created in \(base)")
    }
    path = folder.path
    self.folder = folder
  }

  deinit {
    Self.empty(folder.descriptor)
    rmdir(path)
  }

  /// Works on descriptors and raw bytes: no link is followed, no path is too long, and any name can be removed.
  static func empty(_ folder: CInt) {
    guard let stream = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY)) else { return }
    defer { closedir(stream) }
    while let record = readdir(stream) {
      let start = UnsafeRawPointer(record) + MemoryLayout<dirent>.offset(of: \.d_name)!
      let name = start.assumingMemoryBound(to: CChar.self)
      if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(folder, name, 0) == 0 { continue }
      let inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      if inner < 0 { continue }
      empty(inner)
      close(inner)
      unlinkat(folder, name, AT_REMOVEDIR)
    }
  }

  package static func / (folder: TestFolder, name: String) -> String { folder.path + "/" + name }

  // MARK: Reading

  /// The bytes of a regular file; nil if there is no such file.
  package func bytes(_ name: String) -> [UInt8]? {
    guard let file = try? File.open(self / name, .read), let status = try? file.status(), status.kind == .regular
    else { return nil }
    return try? Self.contents(of: file)
  }

  /// The text of a file; empty if there is no such file.
  package func text(_ name: String) -> String { bytes(name).map { String(decoding: $0, as: UTF8.self) } ?? "" }

  /// The text of a file that must exist.
  package func read(_ name: String) throws -> String {
    String(decoding: try Self.contents(of: File.open(self / name, .read)), as: UTF8.self)
  }

  private static func contents(of file: File) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: try file.status().size)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    return Array(bytes.prefix(count))
  }

  /// Whether a name exists, be it a link without a target. The test fails if that cannot be known.
  package func exists(_ name: String) -> Bool {
    do { return try FileStatus.of(self / name, followingLinks: false) != nil } catch {
      Issue.record("\(error)")
      return false
    }
  }

  package func status(_ name: String) throws -> FileStatus {
    guard let status = try FileStatus.of(self / name) else { throw SystemError("look at", name, code: ENOENT) }
    return status
  }

  /// The names directly in a folder, sorted.
  package func names(_ name: String = "") throws -> [String] { try Folder.open(self / name).names().sorted() }

  // MARK: Writing

  /// Writes a file and creates the folders above it. Returns its path.
  @discardableResult
  package func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    if let slash = name.utf8.lastIndex(of: UInt8(ascii: "/")) { try makeFolder(String(name[..<slash])) }
    let file = try File.open(self / name, .createEmpty)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    return self / name
  }

  @discardableResult
  package func write(_ name: String, _ text: String = "x") throws -> String { try write(name, Array(text.utf8)) }

  package func append(_ name: String, _ text: String) throws {
    try append(Array(text.utf8), to: File.open(self / name, .create))
  }

  /// Adds bytes at the end of a file and leaves it open, as a slow writer does.
  package func append(_ bytes: [UInt8], to file: File) throws {
    let size = try file.status().size
    try bytes.withUnsafeBytes { try file.write($0, at: size) }
  }

  /// Overwrites the first bytes of a file, in place, and closes it.
  package func overwrite(_ name: String, _ bytes: [UInt8]) throws {
    let file = try File.open(self / name, .readWrite)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
  }

  /// Creates a folder and those above it.
  @discardableResult
  package func makeFolder(_ name: String) throws -> Folder { try Folder.create(self / name) }
}
