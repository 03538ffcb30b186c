import Glibc

/// A new folder under `TMPDIR`, or under `/tmp` if that is not set.
package final class TemporaryFolder: Sendable {
  package let path: String

  package init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((base + "/image-pipeline-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError("make a temporary folder in", base) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Removes it with everything in it.
  package func remove() {
    guard let folder = try? Folder.open(path) else { return }
    Self.empty(folder)
    rmdir(path)
  }

  private static func empty(_ folder: Folder) {
    for name in (try? folder.names()) ?? [] {
      guard (try? folder.status(name))??.kind == .folder else {
        try? folder.remove(name)
        continue
      }
      if let inner = try? folder.folder(name, creating: false) { empty(inner) }
      rmdir(folder.path + "/" + name)
    }
  }
}
