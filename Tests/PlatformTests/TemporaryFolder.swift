import Glibc
import Testing

@testable import Platform

/// A folder of a test's own, removed with all that is in it.
final class TemporaryFolder {
  let path: String
  let folder: Folder

  init() throws {
    var template = Array("/tmp/platform-tests-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
    folder = try Folder.open(path)
  }

  deinit {
    Self.empty(folder.descriptor)
    rmdir(path)
  }

  /// By descriptors and bytes: no link is followed, no path is too long and no name is left over.
  private static func empty(_ folder: CInt) {
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

  @discardableResult
  func write(_ name: String, _ text: String = "x") throws -> String {
    let file = try File.open("\(path)/\(name)", .createEmpty)
    var text = text
    try text.withUTF8 { try file.write(UnsafeRawBufferPointer($0), at: 0) }
    return "\(path)/\(name)"
  }

  func read(_ name: String) throws -> String {
    let file = try File.open("\(path)/\(name)", .read)
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 1)
    defer { bytes.deallocate() }
    return String(decoding: bytes.prefix(try file.read(into: bytes, at: 0)), as: UTF8.self)
  }

  func makeFolder(_ name: String) throws {
    try #require(mkdir("\(path)/\(name)", 0o777) == 0)
  }

  func makeLink(_ name: String, to target: String) throws {
    try #require(symlink(target, "\(path)/\(name)") == 0)
  }
}

/// The error that the body throws.
func failure(_ body: () throws -> Void) -> SystemError? {
  do {
    try body()
    return nil
  } catch {
    return error as? SystemError
  }
}

/// Waits for a condition with a bound: a machine that is busy is slow, not wrong.
func eventually(_ condition: () -> Bool) -> Bool {
  let end = Clock.monotonicMilliseconds + 20_000
  while !condition() {
    if Clock.monotonicMilliseconds > end { return false }
    Clock.sleep(milliseconds: 1)
  }
  return true
}
