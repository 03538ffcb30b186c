import Glibc

/// The attributes of a file, from stat(2).
package struct FileStatus: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    case regular, folder, symbolicLink
    /// A device, a fifo or a socket.
    case other
  }

  package let kind: Kind
  /// The size in bytes.
  package let size: Int
  /// When the bytes last changed, in nanoseconds since 1970. Users can set it.
  package let modified: Int64
  /// When the bytes, the name or the rights last changed (ctime), in nanoseconds since 1970. Nobody can set it.
  package let changed: Int64
  package let inode: UInt64
  package let device: UInt64

  init(kind: Kind, size: Int, modified: Int64, changed: Int64, inode: UInt64, device: UInt64) {
    self.kind = kind
    self.size = size
    self.modified = modified
    self.changed = changed
    self.inode = inode
    self.device = device
  }

  /// Whether both describe the same file, whatever its name.
  package func isSameFile(as other: FileStatus) -> Bool { inode == other.inode && device == other.device }

  init(_ status: stat) {
    kind = Kind(mode: status.st_mode)
    size = Int(status.st_size)
    modified = Self.nanoseconds(status.st_mtim)
    changed = Self.nanoseconds(status.st_ctim)
    inode = UInt64(status.st_ino)
    device = UInt64(status.st_dev)
  }

  // A file may have any timestamp. One that 64 bits cannot hold (after 2262) must not crash the process.
  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}

extension FileStatus.Kind {
  init(mode: mode_t) {
    switch mode & S_IFMT {
    case S_IFREG: self = .regular
    case S_IFDIR: self = .folder
    case S_IFLNK: self = .symbolicLink
    default: self = .other
    }
  }
}
