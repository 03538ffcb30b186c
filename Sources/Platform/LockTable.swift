/// The file locks (flock) that processes hold, as listed by the kernel; no lock is touched (proc_locks(5)). Locks of
/// processes that this one cannot see, such as those in another container, are missing.
package struct LockTable: Sendable {
  private struct Key: Hashable {
    let device: UInt64
    let inode: UInt64
  }

  private var exclusive: Set<Key> = []
  private var shared: Set<Key> = []
  private var inodes: Set<UInt64> = []

  /// The current locks; empty if /proc is not mounted.
  package static func now() -> LockTable { LockTable(KernelFile.text("/proc/locks") ?? "") }

  /// - Parameter text: lines such as `12: FLOCK  ADVISORY  WRITE 4711 08:01:131075 0 EOF`.
  init(_ text: String) {
    for line in text.split(separator: "\n") {
      // The line of a waiting lock has an arrow before the kind.
      let words = line.split(separator: " ")
      guard words.count >= 6, words[1] == "FLOCK" else { continue }
      let place = words[5].split(separator: ":")
      guard place.count == 3, let major = UInt64(place[0], radix: 16), let minor = UInt64(place[1], radix: 16),
        let inode = UInt64(place[2])
      else { continue }
      let key = Key(device: Self.device(major, minor), inode: inode)
      if words[3] == "WRITE" { exclusive.insert(key) } else { shared.insert(key) }
      inodes.insert(inode)
    }
  }

  package enum Holder: Sendable, Equatable { case nobody, several, one }

  /// - Parameter anyDevice: true also matches by inode alone. On btrfs and overlay, stat(2) reports a different device
  ///   than the lock table.
  package func holder(of file: FileStatus, anyDevice: Bool = false) -> Holder {
    let key = Key(device: file.device, inode: file.inode)
    if exclusive.contains(key) { return .one }
    if shared.contains(key) { return .several }
    return anyDevice && inodes.contains(file.inode) ? .one : .nobody
  }

  /// Packs a device number as the C library does (makedev(3)).
  private static func device(_ major: UInt64, _ minor: UInt64) -> UInt64 {
    (major & 0xFFF) << 8 | (major & ~0xFFF) << 32 | minor & 0xFF | (minor & ~0xFF) << 12
  }
}
