import Glibc

/// How much room a file system has, in bytes and in files.
package struct DiskSpace: Equatable, Sendable {
  package let size: Int
  /// What a process without privileges may still write.
  package let free: Int
  /// How many files may still be made; nil where the file system sets no limit of its own (btrfs).
  package let freeFiles: Int?

  /// - Parameter path: anything on the file system.
  /// - Returns: nil where nothing is there.
  package static func of(_ path: String) -> DiskSpace? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let unit = Int(status.f_frsize)
    return DiskSpace(
      size: Int(status.f_blocks) * unit, free: Int(status.f_bavail) * unit,
      freeFiles: status.f_files == 0 ? nil : Int(status.f_favail))
  }
}
