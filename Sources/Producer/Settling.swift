import Platform

/// Decides when a file is finished if no event says so: once it has not changed for a while.
/// A pure state machine; the caller passes in the time.
struct Settling {
  private struct Entry {
    let status: FileStatus
    /// Since when the file has looked like this, as far as is known.
    let since: MonotonicClock.Instant
    /// Since when the file has been waiting.
    let begun: MonotonicClock.Instant
    /// How often the file was taken too early before.
    let tries: Int
    let isClosed: Bool
    /// Whether `queue` has the path.
    var isQueued = true
  }

  enum Verdict: Equatable {
    /// The file is finished, as far as its status shows. `tries`: how often it was taken too early before. `isClosed`:
    /// an event has reported a close since the file was last taken, so it may be another version although it looks the
    /// same.
    case finished(tries: Int, isClosed: Bool)
    /// `due` returns the file when it is time to look at it again. Each `quiet` ms of waiting counts as one try, too.
    case waiting(tries: Int)
  }

  /// How long a file must stay unchanged.
  private let quiet: Duration
  /// By `pathKey`.
  private var entries: [[UInt8]: Entry] = [:]
  /// When to look at each file again. `quiet` is the same for all files, so the order of arrival is good enough: an
  /// entry that is due earlier than the one before it waits at most `quiet` longer.
  private var queue: [(path: String, due: MonotonicClock.Instant)] = []
  private var head = 0

  /// Another host's file system has its own clock. A file on it counts as old only with this additional margin.
  private static let clockTolerance = Duration.seconds(60)
  /// The kernel's file times may be one tick old.
  private static let tick = Duration.milliseconds(10)
  /// The scan pauses while this many files are settling, because memory is bounded.
  static let most = 100_000

  init(quiet: Duration) { self.quiet = quiet }

  var isEmpty: Bool { entries.isEmpty }
  var isFull: Bool { entries.count >= Self.most }

  func contains(_ path: String) -> Bool { entries[path.pathKey] != nil }

  /// Observes the current status of a file.
  /// - Parameters:
  ///   - isLocal: whether this host's kernel sets the file's ctime.
  ///   - wall: ns since 1970.
  mutating func observe(_ path: String, _ status: FileStatus, isLocal: Bool, now: MonotonicClock.Instant, wall: Int64)
    -> Verdict
  {
    let entry = entries[path.pathKey]
    if let entry, entry.status == status {
      guard now - entry.since >= quiet else {
        if !entry.isQueued { add(path, entry) }
        return .waiting(tries: tries(of: entry, now: now))
      }
    } else if quiet > .zero, entry != nil || !isOld(status, isLocal: isLocal, wall: wall) {
      let entry = Entry(
        status: status, since: now, begun: entry?.begun ?? now, tries: entry?.tries ?? 0,
        isClosed: entry?.isClosed ?? false)
      add(path, entry)
      return .waiting(tries: tries(of: entry, now: now))
    }
    entries[path.pathKey] = nil
    return .finished(tries: entry?.tries ?? 0, isClosed: entry?.isClosed ?? false)
  }

  private func tries(of entry: Entry, now: MonotonicClock.Instant) -> Int {
    entry.tries + Int((now - entry.begun) / max(.milliseconds(1), quiet))
  }

  private func isOld(_ status: FileStatus, isLocal: Bool, wall: Int64) -> Bool {
    // Wrapping, because a file system may report any time.
    let age = wall &- (isLocal ? status.changed : max(status.modified, status.changed))
    return .nanoseconds(age) >= quiet + (isLocal ? Self.tick : Self.clockTolerance)
  }

  /// Makes a file wait, however old it is, because a program has it open for writing or may come back to it.
  /// - Parameters:
  ///   - since: the last sign of a writer.
  ///   - isClosed: an event has reported that a writer has just closed the file.
  mutating func wait(
    _ path: String, _ status: FileStatus, since: MonotonicClock.Instant, tries: Int = 0, isClosed: Bool = false
  ) {
    let entry = entries[path.pathKey]
    if let entry, entry.status == status, entry.since >= since, !isClosed, entry.isQueued { return }
    add(
      path,
      Entry(
        status: status, since: max(since, entry?.since ?? since), begun: entry?.begun ?? since, tries: tries,
        isClosed: isClosed || entry?.isClosed ?? false))
  }

  /// The tries that `Verdict.waiting` has for the file.
  func tries(_ path: String, now: MonotonicClock.Instant) -> Int {
    entries[path.pathKey].map { tries(of: $0, now: now) } ?? 0
  }

  private mutating func add(_ path: String, _ entry: Entry) {
    var entry = entry
    entry.isQueued = true
    // One entry is enough: many scans see a file that is written to for a long time.
    if entries.updateValue(entry, forKey: path.pathKey)?.isQueued != true { queue.append((path, entry.since + quiet)) }
  }

  /// For tests: how many entries `due` has to look at.
  var queued: Int { queue.count - head }

  /// Forgets a file that is gone, or that was handled in another way.
  mutating func forget(_ path: String) { entries[path.pathKey] = nil }

  /// When `due` has the next entry to look at; nil if nothing waits.
  var nextDue: MonotonicClock.Instant? { head < queue.count ? queue[head].due : nil }

  /// Returns a file that has waited long enough to be looked at again; nil if there is none.
  mutating func due(now: MonotonicClock.Instant) -> String? {
    while head < queue.count, queue[head].due <= now {
      let path = queue[head].path
      head += 1
      if head > 1_000, head * 2 > queue.count {
        queue.removeFirst(head)
        head = 0
      }
      // Forgotten files are skipped.
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
