import Platform

/// Decides when a file that no event has called finished is finished: once it has not changed for a while.
/// A pure state machine; times come from its caller.
struct Settling {
  private struct Entry {
    let status: FileStatus
    /// When this status was first seen, monotonic ms.
    let since: Int64
  }

  /// How long a file must not change, in ms.
  private let quiet: Int64
  /// By `pathKey`.
  private var entries: [[UInt8]: Entry] = [:]
  /// When each file is to be looked at again, oldest first; `quiet` is the same for all, so the order is that of arrival.
  private var queue: [(path: String, due: Int64)] = []
  private var head = 0

  /// File systems of other machines have clocks of their own. A file is believed to be old only beyond this, in ns.
  private static let clockTolerance: Int64 = 60_000_000_000
  /// The scan waits while so many files settle: memory is bounded.
  static let most = 100_000

  init(quietMilliseconds: Int) { quiet = Int64(quietMilliseconds) }

  var isEmpty: Bool { entries.isEmpty }
  var isFull: Bool { entries.count >= Self.most }

  /// A file as it looks now. Returns true where it is finished.
  /// - Parameters:
  ///   - now: monotonic ms.
  ///   - wall: ns since 1970.
  mutating func observe(_ path: String, _ status: FileStatus, now: Int64, wall: Int64) -> Bool {
    // Wrapping: a file system may claim any time.
    if quiet == 0 || wall &- max(status.modified, status.changed) > quiet * 1_000_000 + Self.clockTolerance {
      entries[path.pathKey] = nil
      return true
    }
    if let entry = entries[path.pathKey], entry.status == status {
      guard now - entry.since >= quiet else { return false }
      entries[path.pathKey] = nil
      return true
    }
    entries[path.pathKey] = Entry(status: status, since: now)
    queue.append((path, now + quiet))
    return false
  }

  /// The file is gone, or something else has settled its case.
  mutating func forget(_ path: String) { entries[path.pathKey] = nil }

  /// When `due` has something next; nil where nothing waits.
  var nextDue: Int64? { head < queue.count ? queue[head].due : nil }

  /// A file that has waited long enough to be looked at again.
  mutating func due(now: Int64) -> String? {
    while head < queue.count, queue[head].due <= now {
      let path = queue[head].path
      head += 1
      if head > 1_000, head * 2 > queue.count {
        queue.removeFirst(head)
        head = 0
      }
      // Forgotten ones, and those that were seen changed since, which stand further back again.
      if let entry = entries[path.pathKey], now - entry.since >= quiet { return path }
    }
    return nil
  }
}
