import Glibc

/// The kind of a file system, as far as durability and sharing depend on it (statfs(2), linux/magic.h).
package enum FileSystemKind: Sendable, Equatable {
  /// ext2 and ext3 have the same magic number.
  case ext4
  case xfs, btrfs, tmpfs, overlay, nfs
  /// Any version of SMB.
  case cifs
  /// Includes virtiofs and the mounts of Docker Desktop.
  case fuse
  /// Any other file system, by its magic number.
  case other(Int)

  init(magic: Int) {
    // The field is signed, and on some machines it is 32 bits wide.
    self =
      switch magic & 0xFFFF_FFFF {
      case 0xEF53: .ext4
      case 0x5846_5342: .xfs
      case 0x9123_683E: .btrfs
      case 0x0102_1994: .tmpfs
      case 0x794C_7630: .overlay
      case 0x6969: .nfs
      case 0x517B, 0xFF53_4D42, 0xFE53_4D42: .cifs
      case 0x6573_5546: .fuse
      case let number: .other(number)
      }
  }

  /// The name that `mount` uses; the magic number in hexadecimal if the name is not known here.
  package var name: String {
    switch self {
    case .ext4: "ext4"
    case .xfs: "xfs"
    case .btrfs: "btrfs"
    case .tmpfs: "tmpfs"
    case .overlay: "overlay"
    case .nfs: "nfs"
    case .cifs: "cifs"
    case .fuse: "fuse"
    case .other(0x0102_1997): "9p"
    case .other(0x786F_4256): "vboxsf"
    case .other(let number): "0x" + String(number, radix: 16)
    }
  }

  /// Whether one syncfs makes many files durable *and* reports lost pages. Linux reports them since 5.8, and only these
  /// file systems are known to flush the disk's cache with it.
  package var syncsAsAWhole: Bool {
    switch self {
    case .ext4, .xfs, .btrfs: KernelVersion.current >= KernelVersion(major: 5, minor: 8)
    default: false
    }
  }

  /// Whether files without a name can be relied on: with a journal, the name and the link are one transaction.
  package var linksSyncedFiles: Bool {
    switch self {
    case .ext4, .xfs: true
    default: false
    }
  }

  /// Whether other hosts may use the file system at the same time. If so, neither locks nor SQLite's shared memory can
  /// be relied on.
  package var isShared: Bool {
    switch self {
    case .nfs, .cifs, .fuse: true
    case .other(let number): Self.sharedNumbers.contains(number)
    case .ext4, .xfs, .btrfs, .tmpfs, .overlay: false
    }
  }

  private static let sharedNumbers: Set<Int> = [
    0x0102_1997,  // 9p
    0x00C3_6400,  // ceph
    0x0BD0_0BD0,  // lustre
    0x4750_4653,  // gpfs
    0x5346_414F, 0x6B41_4653,  // afs
    0x7461_636F,  // ocfs2
    0x0116_1970,  // gfs2
    0x7375_7245,  // coda
    0x786F_4256,  // vboxsf
    0x1983_0326,  // beegfs
    0x564C,  // ncp
    0xBACB_ACBC,  // vmhgfs
    0x7C7C_6673,  // prl_fs
    0x6163_6673,  // acfs
    0xAAD7_AAEA,  // panfs
    0xBEEF_DEAD,  // snfs
  ]
}
