import Glibc
import Platform

/// A finished file on the output's file system that is not an image yet.
struct TemporaryFile: Sendable {
  private let folder: Folder
  /// A file without a name gets this one only to replace another file.
  private let name: String
  /// nil if it is not known.
  let status: FileStatus?
  /// nil if the file has a name.
  let unnamed: UnnamedFile?

  init(_ name: String, in folder: Folder, _ status: FileStatus? = nil, unnamed: UnnamedFile? = nil) {
    self.name = name
    self.folder = folder
    self.status = status
    self.unnamed = unnamed
  }

  /// - Throws: EEXIST if `target` contains the name.
  func rename(to target: Folder, as leaf: String) throws(SystemError) {
    guard let unnamed else { return try folder.rename(name, to: target, as: leaf, replacing: false) }
    try link(unnamed, to: target, as: leaf)
    unnamed.close()
  }

  /// Renames the file, replacing one that has the name.
  /// - Returns: the status before that. Afterwards, another program may remove the file at once.
  func replace(_ leaf: String, in target: Folder) throws(SystemError) -> FileStatus {
    // Only a rename replaces a file atomically.
    if let unnamed {
      try folder.remove(name)
      try link(unnamed, to: folder, as: name)
    }
    guard let status = try folder.status(name) else {
      throw SystemError("rename", folder.path + "/" + name, code: ENOENT)
    }
    try folder.rename(name, to: target, as: leaf)
    unnamed?.close()
    return status
  }

  private func link(_ unnamed: UnnamedFile, to target: Folder, as leaf: String) throws(SystemError) {
    guard let file = unnamed.file else { throw SystemError("create", target.path + "/" + leaf, code: ENOENT) }
    try file.link(to: target, as: leaf)
  }

  /// Frees its space.
  func remove() {
    unnamed?.close()
    try? folder.remove(name)
  }
}
