import Glibc

extension FileStatus {
  /// - Returns: nil if the path does not exist (ENOENT, ENOTDIR).
  package static func of(_ path: String, followingLinks: Bool = true) throws(SystemError) -> FileStatus? {
    var status = stat()
    do {
      try retrying("inspect", path) { followingLinks ? stat(path, &status) : lstat(path, &status) }
      return FileStatus(status)
    } catch let error where error.code == ENOENT || error.code == ENOTDIR {
      return nil
    }
  }
}

extension Folder {
  /// The status of the folder itself.
  package func status() throws(SystemError) -> FileStatus {
    var status = stat()
    try retrying("inspect", path) { fstat(descriptor, &status) }
    return FileStatus(status)
  }
}
