import Glibc

/// A new folder under `TMPDIR`, or under `/tmp` if that is not set. Folders of processes that were killed are removed when
/// the next one is made.
package final class TemporaryFolder: Sendable {
  package let path: String
  /// Holds a lock, which ends with the process, in whatever way.
  private let folder: Folder

  private static let prefix = "image-pipeline."
  private static let suffixLength = 6
  /// A file that tells these folders from others of such names.
  private static let mark = ".temporary-folder-of-image-pipeline"

  /// - Parameter base: nil: `TMPDIR`.
  package init(in base: String? = nil) throws {
    let base = base ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    Self.removeAbandoned(in: base)
    while true {
      var template = Array("\(base)/\(Self.prefix)XXXXXX".utf8CString)
      guard mkdtemp(&template) != nil else { throw SystemError("make a temporary folder in", base) }
      let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      // Another process may have taken it for abandoned before it was locked.
      guard let folder = try? Folder.open(path), Self.isLocked(folder), Self.isThere(folder) else { continue }
      _ = try folder.file(Self.mark, .createNew)
      (self.path, self.folder) = (path, folder)
      return
    }
  }

  /// Removes it with everything in it.
  package func remove() { Self.remove(folder) }

  private static func removeAbandoned(in base: String) {
    guard let parent = try? Folder.open(base) else { return }
    for name in (try? parent.names()) ?? [] where isOurs(name) {
      // Not through a link: somebody else may have made that.
      guard let folder = try? parent.folder(name, creating: false), (try? folder.status(mark))??.kind == .regular,
        isLocked(folder)
      else { continue }
      remove(folder)
    }
  }

  private static func isOurs(_ name: String) -> Bool {
    let suffix = name.utf8.dropFirst(prefix.utf8.count)
    return name.hasPrefix(prefix) && suffix.count == suffixLength
      && suffix.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF) }
  }

  /// - Returns: false if another process has the lock.
  private static func isLocked(_ folder: Folder) -> Bool { flock(folder.descriptor, LOCK_EX | LOCK_NB) == 0 }

  /// Whether the folder still has its path.
  private static func isThere(_ folder: Folder) -> Bool {
    guard let own = try? folder.status(), let there = try? FileStatus.of(folder.path) else { return false }
    return own.isSameFile(as: there)
  }

  private static func remove(_ folder: Folder) {
    empty(folder)
    // The last one: if this is interrupted, another process goes on.
    try? folder.remove(mark)
    rmdir(folder.path)
  }

  private static func empty(_ folder: Folder) {
    for name in (try? folder.names()) ?? [] where name != mark {
      guard (try? folder.status(name))??.kind == .folder else {
        try? folder.remove(name)
        continue
      }
      if let inner = try? folder.folder(name, creating: false) { empty(inner) }
      rmdir(folder.path + "/" + name)
    }
  }
}
