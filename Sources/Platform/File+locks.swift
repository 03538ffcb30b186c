internal import CSystem
import Glibc

/// Locks between processes. Each lasts until this object is released or the process ends in any way; none of these waits.
extension File {
  /// Takes the file's lock (flock) alone.
  ///
  /// - Returns: false when another opening of the file holds it, in this process or another.
  package func lockExclusively() throws(SystemError) -> Bool { try lock(LOCK_EX) }

  /// Takes the file's lock (flock) with all who share it.
  ///
  /// - Returns: false when another opening of the file holds it alone.
  package func lockShared() throws(SystemError) -> Bool { try lock(LOCK_SH) }

  private func lock(_ kind: CInt) throws(SystemError) -> Bool {
    do {
      try retrying("lock", path) { flock(descriptor, kind | LOCK_NB) }
      return true
    } catch let error where error.code == EWOULDBLOCK {
      return false
    }
  }

  /// Claims the file for one owner, whose other openings of it may claim it too: each shares a lock on a byte of the
  /// owner's own, far behind any content.
  ///
  /// - Returns: false when another owner has claimed it.
  package func claim(for owner: UInt64) throws(SystemError) -> Bool {
    let own = Int64(owner % UInt64(Self.owners))
    try retrying("lock", path) { system_share_byte(descriptor, Self.firstOwner + own) }
    // The own one first: two that come at once may both be refused, but never both be let in.
    let below = try retrying("lock", path) { own == 0 ? 0 : system_is_range_locked(descriptor, Self.firstOwner, own) }
    let above = try retrying("lock", path) {
      system_is_range_locked(descriptor, Self.firstOwner + own + 1, Self.owners - own)
    }
    return below == 0 && above == 0
  }

  private static let firstOwner: Int64 = 1 << 60
  private static let owners: Int64 = 1 << 60
}
