internal import CSystem
import Glibc

extension File {
  /// Whether a program has a file open for writing.
  package enum Writers: Sendable, Equatable {
    /// No program on this host has it open for writing.
    case none
    /// At least one program has it open for writing.
    case some
    /// The kernel cannot tell: the file belongs to another user and this process lacks CAP_LEASE, or other hosts may
    /// write to its file system.
    case unknown
  }

  /// Asks the kernel whether another opening of this file is for writing. Valid only for a file that is open for
  /// reading.
  package func writers() -> Writers {
    var status = statfs()
    guard fstatfs(descriptor, &status) == 0, !FileSystemKind(magic: Int(status.f_type)).isShared else {
      return .unknown
    }
    return switch system_has_writer(descriptor) {
    case 0: .none
    case 1: .some
    default: .unknown
    }
  }

  /// False if the length of the file was only reserved, by truncate(1) or fallocate(1), and nothing has been written
  /// yet.
  package var hasData: Bool { system_has_data(descriptor) != 0 }
}

extension FileSystemKind {
  /// The kind of the file system that contains a path.
  ///
  /// - Throws: as statfs(2).
  package static func of(_ path: String) throws(SystemError) -> FileSystemKind {
    var status = statfs()
    try retrying("inspect the file system of", path) { statfs(path, &status) }
    return FileSystemKind(magic: Int(status.f_type))
  }
}
