internal import CSystem
import Glibc

/// An open folder. Names are looked up in *it*, even if its path now leads elsewhere. A name must be a single
/// component: EINVAL if it is empty, `.` or `..`, or contains a `/` or a NUL. A symbolic link is not followed unless
/// the function says so.
package final class Folder: Sendable {
  /// The path as it was opened, for messages.
  package let path: String
  package let descriptor: CInt

  init(descriptor: CInt, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit {
    _ = close(descriptor)
  }

  /// Opens a folder, following symbolic links.
  ///
  /// - Throws: as open(2): ENOENT, ENOTDIR, EACCES.
  package static func open(_ path: String) throws(SystemError) -> Folder {
    try PathRule.check(path: path, "open")
    let descriptor = try retrying("open", path) { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    return Folder(descriptor: descriptor, path: path)
  }

  /// Opens a folder and creates the missing parts of its path (mode 0777 less the umask). Each created folder is
  /// durable when this returns.
  package static func create(_ path: String) throws(SystemError) -> Folder {
    do {
      return try open(path)
    } catch let error where error.code == ENOENT {
      guard let (parent, name) = PathRule.split(path) else { throw error }
      try create(parent).make(name)
      return try open(path)
    }
  }

  /// Opens a folder in this one, with O_NOFOLLOW: ENOTDIR for a link.
  ///
  /// - Parameter creating: creates the folder durably if it does not exist (mode 0777 less the umask).
  package func folder(_ name: String, creating: Bool) throws(SystemError) -> Folder {
    try PathRule.check(component: name, in: path, "open")
    do {
      return try subfolder(name)
    } catch let error where error.code == ENOENT && creating {
      try make(name)
      return try subfolder(name)
    }
  }

  /// Opens a file in this folder, with O_NOFOLLOW: ELOOP for a link.
  package func file(_ name: String, _ access: File.Access) throws(SystemError) -> File {
    try PathRule.check(component: name, in: path, access.operation)
    let descriptor = try retrying(access.operation, self / name) {
      openat(self.descriptor, name, access.flags | O_NOFOLLOW, 0o666)
    }
    return File(descriptor: descriptor, path: self / name)
  }

  /// - Returns: nil if the name does not exist (ENOENT, ENOTDIR).
  package func status(_ name: String, followingLinks: Bool = false) throws(SystemError) -> FileStatus? {
    try PathRule.check(component: name, in: path, "inspect")
    var status = stat()
    do {
      try retrying("inspect", self / name) {
        fstatat(descriptor, name, &status, followingLinks ? 0 : AT_SYMLINK_NOFOLLOW)
      }
      return FileStatus(status)
    } catch let error where error.code == ENOENT || error.code == ENOTDIR {
      return nil
    }
  }

  /// Renames atomically. The new name is durable once both folders are synced.
  ///
  /// - Parameter replacing: false throws EEXIST if `newName` exists in `target`. It uses renameat2 with
  ///   RENAME_NOREPLACE. If the file system does not support that, it uses a hard link, which is safe only if nobody
  ///   else renames over `name` meanwhile. If hard links are not supported either (and for folders), it checks for
  ///   `newName` first and then renames.
  package func rename(
    _ name: String, to target: Folder, as newName: String, replacing: Bool = true
  ) throws(SystemError) {
    try PathRule.check(component: name, in: path, "rename")
    try PathRule.check(component: newName, in: target.path, "rename to")
    let subject = "\(self / name) to \(target / newName)"
    if !replacing {
      do {
        try retrying("rename", subject) {
          renameat2(descriptor, name, target.descriptor, newName, CUnsignedInt(system_rename_no_replace))
        }
        return
      } catch let error where error.code == EINVAL || error.code == ENOSYS {
        if try renameByLink(name, to: target, as: newName) { return }
        if try target.status(newName) != nil { throw SystemError("rename", subject, code: EEXIST) }
      }
    }
    try retrying("rename", subject) { renameat(descriptor, name, target.descriptor, newName) }
  }

  /// Removes a file or a link; no error if it does not exist.
  package func remove(_ name: String) throws(SystemError) {
    try unlink(name, flags: 0)
  }

  /// Removes an empty folder; no error if it does not exist, ENOTEMPTY if it is not empty.
  package func removeFolder(_ name: String) throws(SystemError) {
    try unlink(name, flags: AT_REMOVEDIR)
  }

  /// All names that are UTF-8, in no particular order, without `.` and `..`. For small folders; use `FolderWalker` for
  /// large ones.
  package func names() throws(SystemError) -> [String] {
    let stream = try FolderStream(in: descriptor, ".", path: path)
    var names: [String] = []
    while let entry = try stream.next() {
      if let name = String(validating: entry.name, as: UTF8.self) { names.append(name) }
    }
    return names
  }

  /// Returns once the names in this folder are on disk (fsync).
  package func sync() throws(SystemError) {
    try retrying("sync", path) { fsync(descriptor) }
  }

  /// Returns once everything written to the folder's file system is on disk (syncfs): one call for many files. It
  /// reports lost pages only if `FileSystemKind.syncsAsAWhole` is true.
  package func syncFileSystem() throws(SystemError) {
    try retrying("sync the file system of", path) { syncfs(descriptor) }
  }

  /// The file system that contains the folder.
  package var fileSystem: FileSystemKind {
    get throws(SystemError) {
      var status = statfs()
      try retrying("inspect the file system of", path) { fstatfs(descriptor, &status) }
      return FileSystemKind(magic: Int(status.f_type))
    }
  }

  /// Whether the file system of the folder is mounted read-only.
  package var isReadOnly: Bool {
    var status = statvfs()
    return fstatvfs(descriptor, &status) == 0 && status.f_flag & UInt(ST_RDONLY) != 0
  }
}

extension Folder {
  static func / (folder: Folder, name: String) -> String { PathRule.join(folder.path, name) }

  /// Renames with a link and a removal. The file briefly has both names.
  ///
  /// - Returns: false if the file system does not support hard links, or not for this file.
  /// - Throws: EEXIST if `target` contains `newName`.
  func renameByLink(_ name: String, to target: Folder, as newName: String) throws(SystemError) -> Bool {
    let subject = "\(self / name) to \(target / newName)"
    do {
      try retrying("rename", subject) { linkat(descriptor, name, target.descriptor, newName, 0) }
    } catch let error where [EPERM, EOPNOTSUPP, ENOSYS, EMLINK, EINVAL].contains(error.code) {
      return false
    }
    try remove(name)
    return true
  }

  private func subfolder(_ name: String) throws(SystemError) -> Folder {
    let descriptor = try retrying("open", self / name) {
      openat(self.descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    }
    return Folder(descriptor: descriptor, path: self / name)
  }

  /// Creates a folder durably (mkdir and fsync). If another process created it first, that folder is used.
  private func make(_ name: String) throws(SystemError) {
    do {
      try retrying("create", self / name) { mkdirat(descriptor, name, 0o777) }
    } catch let error where error.code == EEXIST {
      // The process that created it may not have synced it yet.
    }
    try sync()
  }

  private func unlink(_ name: String, flags: CInt) throws(SystemError) {
    try PathRule.check(component: name, in: path, "remove")
    do {
      try retrying("remove", self / name) { unlinkat(descriptor, name, flags) }
    } catch let error where error.code == ENOENT {
      // The name does not exist, which is what the caller wants.
    }
  }
}
