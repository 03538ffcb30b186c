import Platform

/// What tells one version of a file from another without reading it. The ledger keeps it.
struct FileStamp: Equatable, Sendable {
  let size: Int
  /// ns since 1970.
  let modified: Int64
  let inode: UInt64

  init(_ status: FileStatus) {
    size = status.size
    modified = status.modified
    inode = status.inode
  }

  init(size: Int, modified: Int64, inode: UInt64) {
    self.size = size
    self.modified = modified
    self.inode = inode
  }
}
