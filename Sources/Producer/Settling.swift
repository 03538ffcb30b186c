import Platform

/// Decides when a file is finished if no event says so: once it has not changed for a while.
/// A pure state machine; times come from its caller.
struct Settling {
  private struct Entry {
    let status: FileStatus
    /// Since when the file is known to look like this, monotonic ms.
    let since: Int64
    /// Since when it waits, monotonic ms.
    let begun: Int64
    /// How often it was taken before, and was not finished.
    let tries: Int
    let isClosed: Bool
    /// `queue` has it.
    var isQueued = true
  }

  enum Verdict: Equatable {
    /// The file is finished, as far as this shows. It was taken too early that many times before. `isClosed`: an event has told
    /// that it was closed since it was last taken, so it may be another version though it looks the same.
    case finished(tries: Int, isClosed: Bool)
    /// `due` returns the file when it is to be looked at again. Each `quiet` ms of waiting counts as one try, too.
    case waiting(tries: Int)
  }

  /// How long a file must not change, in ms.
  private let quiet: Int64
  /// By `pathKey`.
  private var entries: [[UInt8]: Entry] = [:]
  /// When each file is to be looked at again. `quiet` is the same for all, so the order of arrival will do: an entry that
  /// is due earlier than the one before it waits for at most `quiet` longer.
  private var queue: [(path: String, due: Int64)] = []
  private var head = 0

  /// A file system of another host has a clock of its own. A file on it is believed to be old only beyond this, in ns.
  private static let clockTolerance: Int64 = 60_000_000_000
  /// The kernel stamps files with a time that may be one tick old, in ns.
  private static let tick: Int64 = 10_000_000
  /// The scan pauses while so many files settle: memory is bounded.
  static let most = 100_000

  init(quietMilliseconds: Int) { quiet = Int64(quietMilliseconds) }

  var isEmpty: Bool { entries.isEmpty }
  var isFull: Bool { entries.count >= Self.most }

  func contains(_ path: String) -> Bool { entries[path.pathKey] != nil }

  /// Looks at a file as it is now.
  /// - Parameters:
  ///   - isLocal: whether this host's kernel stamps its ctime.
  ///   - now: monotonic ms.
  ///   - wall: ns since 1970.
  mutating func observe(_ path: String, _ status: FileStatus, isLocal: Bool, now: Int64, wall: Int64) -> Verdict {
    let entry = entries[path.pathKey]
    if let entry, entry.status == status {
      guard now - entry.since >= quiet else {
        if !entry.isQueued { add(path, entry) }
        return .waiting(tries: tries(of: entry, now: now))
      }
    } else if quiet > 0, entry != nil || !isOld(status, isLocal: isLocal, wall: wall) {
      let entry = Entry(
        status: status, since: now, begun: entry?.begun ?? now, tries: entry?.tries ?? 0,
        isClosed: entry?.isClosed ?? false)
      add(path, entry)
      return .waiting(tries: tries(of: entry, now: now))
    }
    entries[path.pathKey] = nil
    return .finished(tries: entry?.tries ?? 0, isClosed: entry?.isClosed ?? false)
  }

  private func tries(of entry: Entry, now: Int64) -> Int { entry.tries + Int((now - entry.begun) / max(1, quiet)) }

  private func isOld(_ status: FileStatus, isLocal: Bool, wall: Int64) -> Bool {
    // Wrapping: a file system may claim any time.
    let age = wall &- (isLocal ? status.changed : max(status.modified, status.changed))
    return age >= quiet * 1_000_000 + (isLocal ? Self.tick : Self.clockTolerance)
  }

  /// Makes a file wait, however old it is: a program has it open for writing, or may come back to it.
  /// - Parameters:
  ///   - since: the last sign of a writer, monotonic ms.
  ///   - isClosed: an event tells that a writer has just closed it.
  mutating func wait(_ path: String, _ status: FileStatus, since: Int64, tries: Int = 0, isClosed: Bool = false) {
    let entry = entries[path.pathKey]
    if let entry, entry.status == status, entry.since >= since, !isClosed, entry.isQueued { return }
    add(
      path,
      Entry(
        status: status, since: max(since, entry?.since ?? since), begun: entry?.begun ?? since, tries: tries,
        isClosed: isClosed || entry?.isClosed ?? false))
  }

  /// As `Verdict.waiting` has it.
  func tries(_ path: String, now: Int64) -> Int { entries[path.pathKey].map { tries(of: $0, now: now) } ?? 0 }

  private mutating func add(_ path: String, _ entry: Entry) {
    var entry = entry
    entry.isQueued = true
    // Once is enough: a file that is written to for long is seen by many scans.
    if entries.updateValue(entry, forKey: path.pathKey)?.isQueued != true { queue.append((path, entry.since + quiet)) }
  }

  /// For tests: how much `due` has to look at.
  var queued: Int { queue.count - head }

  /// The file is gone, or something else has settled its case.
  mutating func forget(_ path: String) { entries[path.pathKey] = nil }

  /// When `due` has something next; nil if nothing waits.
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
      // Forgotten files are passed over.
      guard let entry = entries[path.pathKey] else { continue }
      if now - entry.since >= quiet {
        entries[path.pathKey]!.isQueued = false
        return path
      }
      queue.append((path, entry.since + quiet))
    }
    return nil
  }
}
