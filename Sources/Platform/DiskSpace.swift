import Glibc

/// How much room a file system has, in bytes.
public struct DiskSpace: Equatable, Sendable {
  public let size: Int
  /// What a process without privileges may still write.
  public let free: Int

  /// - Parameter path: anything on the file system.
  /// - Returns: nil where nothing is there.
  public static func of(_ path: String) -> DiskSpace? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let unit = Int(status.f_frsize)
    return DiskSpace(size: Int(status.f_blocks) * unit, free: Int(status.f_bavail) * unit)
  }
}
