import Glibc

@testable import Platform

/// A temporary folder that is gone with the test, and what tests do with files.
final class Scratch: @unchecked Sendable {
  let path: String

  init() {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((base + "/pipeline-tests-XXXXXX").utf8CString)
    precondition(mkdtemp(&template) != nil, "no temporary folder in \(base)")
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { Self.remove(path) }

  private static func remove(_ path: String) {
    guard let stream = opendir(path) else { return }
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) {
          Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
        }
      }
      if name == [46, 0] || name == [46, 46, 0] { continue }
      let child = Array(path.utf8CString.dropLast()) + [47] + name
      if entry.pointee.d_type == UInt8(DT_DIR) {
        Self.remove(String(decoding: child.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
      } else {
        unlink(child)
      }
    }
    closedir(stream)
    rmdir(path)
  }

  /// Writes a file, with the folders on its way.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let full = path + "/" + name
    if let slash = full.lastIndex(of: "/") { _ = try Folder.create(String(full[..<slash])) }
    let file = try File.open(full, .createEmpty)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    return full
  }

  /// nil where there is no such file.
  func read(_ name: String) -> [UInt8]? {
    guard let file = try? File.open(path + "/" + name, .read), let status = try? file.status(), status.kind == .regular
    else { return nil }
    var bytes = [UInt8](repeating: 0, count: status.size)
    let count = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }) ?? 0
    return Array(bytes.prefix(count))
  }

  func text(_ name: String) -> String { read(name).map { String(decoding: $0, as: UTF8.self) } ?? "" }

  /// The regular files below a folder of it, relative to that folder, sorted; the consumer's own are left out.
  func files(_ folder: String) throws -> [String] {
    var names: [String] = []
    let walker = try FolderWalker(root: path + "/" + folder) { $0 != ".image-pipeline" }
    while let entry = walker.next() {
      let entry = try entry.get()
      if entry.kind == .regular { names.append(String(decoding: entry.relativePath, as: UTF8.self)) }
    }
    return names.sorted()
  }

  /// Bytes that nothing can compress, the same for the same seed.
  static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed &+ 0x9E37_79B9_7F4A_7C15
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = state ^ (state >> 33)
      withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
