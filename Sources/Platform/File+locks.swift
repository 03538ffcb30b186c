internal import CSystem
import Glibc

/// Locks between processes. A lock lasts until this object is released or the process exits in any way. No call waits.
extension File {
  /// Takes the exclusive lock of the file (flock).
  ///
  /// - Returns: false if another opening of the file holds a lock, in this process or another.
  package func lockExclusively() throws(SystemError) -> Bool { try lock(LOCK_EX) }

  /// Takes a shared lock of the file (flock).
  ///
  /// - Returns: false if another opening of the file holds the exclusive lock.
  package func lockShared() throws(SystemError) -> Bool { try lock(LOCK_SH) }

  /// Whether another opening of the file holds the exclusive lock. The file is not locked afterwards.
  package func isLockedExclusively() throws(SystemError) -> Bool {
    guard try lockShared() else { return true }
    try retrying("unlock", path) { flock(descriptor, LOCK_UN) }
    return false
  }

  private func lock(_ kind: CInt) throws(SystemError) -> Bool {
    do {
      try retrying("lock", path) { flock(descriptor, kind | LOCK_NB) }
      return true
    } catch let error where error.code == EWOULDBLOCK {
      return false
    }
  }

  /// Claims the file for one owner; other openings of the same owner may claim it too. Each owner has a byte of its
  /// own, far beyond any content, and the owner's openings share a lock on it.
  ///
  /// - Returns: false if another owner has claimed the file.
  package func claim(for owner: UInt64) throws(SystemError) -> Bool {
    let own = Int64(owner % UInt64(Self.owners))
    try retrying("lock", path) { system_share_byte(descriptor, Self.firstOwner + own) }
    // The own byte is locked first: two owners that claim at the same time may both be refused, but never both succeed.
    let below = try retrying("lock", path) { own == 0 ? 0 : system_is_range_locked(descriptor, Self.firstOwner, own) }
    let above = try retrying("lock", path) {
      system_is_range_locked(descriptor, Self.firstOwner + own + 1, Self.owners - own)
    }
    return below == 0 && above == 0
  }

  private static let firstOwner: Int64 = 1 << 60
  private static let owners: Int64 = 1 << 60
}
