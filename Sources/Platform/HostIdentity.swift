import Glibc

/// Which host, which boot and which user this process is.
package enum HostIdentity {
  /// A UUID that each boot of the kernel makes anew, the same in all its containers
  /// (/proc/sys/kernel/random/boot_id, random(4)); empty where /proc is not mounted.
  static var bootID: String {
    KernelFile.word("/proc/sys/kernel/random/boot_id") ?? ""
  }

  /// As `uname -r` prints it: `6.1.0-18-amd64`.
  package static let kernelRelease: String = {
    var name = utsname()
    _ = uname(&name)
    return withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }()

  /// The effective uid and gid: the ones that rights are checked against.
  package static var userAndGroup: (UInt32, UInt32) { (geteuid(), getegid()) }
}
