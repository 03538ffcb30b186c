import Platform

/// The attributes that tell one version of a file from another without reading it. Stored in the ledger.
struct FileStamp: Equatable, Sendable {
  let size: Int
  /// mtime, in ns since 1970. It is not sufficient, because users and tools can set it.
  let modified: Int64
  /// ctime, in ns since 1970. Only the kernel sets it, at each change of content, times, rights or name.
  let changed: Int64
  let inode: UInt64

  init(_ status: FileStatus) {
    self.init(size: status.size, modified: status.modified, changed: status.changed, inode: status.inode)
  }

  init(size: Int, modified: Int64, changed: Int64, inode: UInt64) {
    self.size = size
    self.modified = modified
    self.changed = changed
    self.inode = inode
  }

  /// Whether only the name or the rights can have changed since `other`. A rename changes ctime.
  func isRenamed(from other: FileStamp) -> Bool {
    size == other.size && modified == other.modified && inode == other.inode
  }
}
