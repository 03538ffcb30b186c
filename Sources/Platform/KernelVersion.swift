import Glibc

/// The version of the running kernel. Only the first two numbers are comparable across distributions.
struct KernelVersion: Comparable {
  let major, minor: Int

  static let current = KernelVersion(release: HostIdentity.kernelRelease)

  init(major: Int, minor: Int) {
    self.major = major
    self.minor = minor
  }

  /// - Parameter release: as `uname -r` prints it, "6.1.0-18-amd64"; a number that cannot be read counts as 0.
  init(release: String) {
    let numbers = release.split { !$0.isNumber }.map { Int($0) ?? 0 }
    self.init(major: numbers.first ?? 0, minor: numbers.dropFirst().first ?? 0)
  }

  static func < (left: KernelVersion, right: KernelVersion) -> Bool {
    (left.major, left.minor) < (right.major, right.minor)
  }
}
