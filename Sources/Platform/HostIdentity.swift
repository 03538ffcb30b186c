import Glibc

/// The host, the boot and the user of this process.
package enum HostIdentity {
  /// A UUID that the kernel creates at each boot, the same in all containers of the host
  /// (/proc/sys/kernel/random/boot_id, random(4)); empty if /proc is not mounted.
  static var bootID: String {
    KernelFile.word("/proc/sys/kernel/random/boot_id") ?? ""
  }

  /// As `uname -r` prints it: `6.1.0-18-amd64`.
  package static let kernelRelease: String = {
    var name = utsname()
    _ = uname(&name)
    return withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }()

  /// The effective uid and gid, which access rights are checked against.
  package static var userAndGroup: (UInt32, UInt32) { (geteuid(), getegid()) }
}
