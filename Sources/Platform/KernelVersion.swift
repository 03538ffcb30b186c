import Glibc

/// The running kernel's version, of which only the first two numbers mean anything across distributions.
struct KernelVersion: Comparable {
  let major, minor: Int

  static let current = KernelVersion(release: HostIdentity.kernelRelease)

  init(major: Int, minor: Int) {
    self.major = major
    self.minor = minor
  }

  /// - Parameter release: as `uname -r` prints it, "6.1.0-18-amd64"; what cannot be read counts as 0.
  init(release: String) {
    let numbers = release.split { !$0.isNumber }.map { Int($0) ?? 0 }
    self.init(major: numbers.first ?? 0, minor: numbers.dropFirst().first ?? 0)
  }

  static func < (left: KernelVersion, right: KernelVersion) -> Bool {
    (left.major, left.minor) < (right.major, right.minor)
  }
}
