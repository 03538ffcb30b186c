import Glibc

/// The capacity of a file system, in bytes and in files.
package struct DiskSpace: Equatable, Sendable {
  package let size: Int
  /// Bytes that an unprivileged process can still write.
  package let free: Int
  /// The number of files that can still be created; nil if the file system sets no limit of its own (btrfs).
  package let freeFiles: Int?

  /// - Parameter path: any path on the file system.
  /// - Returns: nil if statvfs(3) fails, for example because the path does not exist.
  package static func of(_ path: String) -> DiskSpace? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let unit = Int(status.f_frsize)
    return DiskSpace(
      size: Int(status.f_blocks) * unit, free: Int(status.f_bavail) * unit,
      freeFiles: status.f_files == 0 ? nil : Int(status.f_favail))
  }
}
