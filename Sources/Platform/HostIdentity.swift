import Glibc

/// Which host, which boot and which user this process is.
public enum HostIdentity {
  /// A UUID that each boot of the kernel makes anew, the same in all its containers
  /// (/proc/sys/kernel/random/boot_id, random(4)); empty where /proc is not mounted.
  public static var bootID: String {
    guard let file = try? File.open("/proc/sys/kernel/random/boot_id", .read) else { return "" }
    return withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
      let count = (try? file.read(into: buffer, at: 0)) ?? 0
      return String(decoding: buffer.prefix(count).prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self)
    }
  }

  /// The effective uid and gid: the ones that rights are checked against.
  public static var userAndGroup: (UInt32, UInt32) { (geteuid(), getegid()) }
}
