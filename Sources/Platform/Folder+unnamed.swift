internal import CSystem
import Glibc

/// Files without a name (O_TMPFILE). Creating one changes no folder, and nothing is left of it if the process ends
/// before it gets a name.
extension Folder {
  /// Creates a file without a name on the folder's file system, for reading and writing (mode 0666 less the umask).
  ///
  /// - Throws: as open(2): EOPNOTSUPP or EISDIR if the file system has no such files.
  package func unnamedFile() throws(SystemError) -> File {
    let descriptor = try retrying("create a file in", path) {
      openat(self.descriptor, ".", O_RDWR | O_CLOEXEC | CInt(system_unnamed_file), 0o666)
    }
    return File(descriptor: descriptor, path: path)
  }

  /// Whether files without a name can be created here, and named, and have the same rights as others.
  ///
  /// - Parameter trial: a name that nothing else uses.
  package func allowsUnnamedFiles(trial: String) -> Bool {
    do throws(SystemError) {
      // Older kernels ignored the umask on some mounts.
      let rights = try file(trial, .createEmpty).rights()
      try remove(trial)
      let unnamed = try unnamedFile()
      guard try unnamed.rights() == rights else { return false }
      try unnamed.link(to: self, as: trial)
      try remove(trial)
      return true
    } catch { return false }
  }
}

extension File {
  /// Gives a name to a file that was created without one. The name is durable once folder and file are synced; on a file
  /// system without a journal, not before that.
  ///
  /// - Throws: as link(2): EEXIST if `folder` contains the name.
  package func link(to folder: Folder, as name: String) throws(SystemError) {
    try PathRule.check(component: name, in: folder.path, "link")
    do {
      try retrying("create", folder / name) {
        linkat(descriptor, "", folder.descriptor, name, CInt(system_link_descriptor))
      }
    } catch let error where error.code == ENOENT {
      // Before Linux 6.10, only a process with CAP_DAC_READ_SEARCH may name a descriptor itself (open(2)).
      try linkThroughProc(to: folder, as: name)
    }
  }

  func linkThroughProc(to folder: Folder, as name: String) throws(SystemError) {
    try retrying("create", folder / name) {
      linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", folder.descriptor, name, AT_SYMLINK_FOLLOW)
    }
  }

  fileprivate func rights() throws(SystemError) -> mode_t {
    var status = stat()
    try retrying("inspect", path) { fstat(descriptor, &status) }
    return status.st_mode & 0o7777
  }
}
