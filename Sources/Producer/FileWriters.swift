import Platform

/// What events tell about the programs that write to files of the input. A pure state machine; the caller passes in the
/// time.
///
/// It complements `File.writers()`: the kernel answers that only for files of this user, and events reach only a
/// producer that watches.
struct FileWriters {
  /// How long a close is remembered.
  private let quiet: Duration
  /// When each file was last written to, if it has not been closed since. By `pathKey`.
  private var written: [[UInt8]: MonotonicClock.Instant] = [:]
  /// When each file was last closed. By `pathKey`.
  private var closed: [[UInt8]: MonotonicClock.Instant] = [:]
  /// The closes in order, so that the oldest are forgotten first.
  private var closings: [(key: [UInt8], time: MonotonicClock.Instant)] = []
  private var head = 0

  /// If there are more files, some are forgotten, because memory is bounded. Scans still wait until a file is quiet.
  static let most = 100_000

  init(quiet: Duration) { self.quiet = quiet }

  mutating func written(_ path: String, now: MonotonicClock.Instant) {
    if written.count >= Self.most { written = [:] }
    written[path.pathKey] = now
  }

  /// A writer has closed a file, or moved a complete one to its path.
  /// - Returns: false if the file was also closed within the `quiet` ms before: somebody writes it in several steps.
  @discardableResult
  mutating func closed(_ path: String, now: MonotonicClock.Instant) -> Bool {
    let key = path.pathKey
    written[key] = nil
    guard quiet > .zero else { return true }
    forget(before: now - quiet)
    defer {
      closed[key] = now
      closings.append((key, now))
    }
    return closed[key] == nil
  }

  private mutating func forget(before end: MonotonicClock.Instant) {
    while head < closings.count, closings[head].time <= end || closed.count >= Self.most {
      let (key, time) = closings[head]
      if closed[key] == time { closed[key] = nil }
      head += 1
    }
    if head > 1_000, head * 2 > closings.count {
      closings.removeFirst(head)
      head = 0
    }
  }

  /// When a file was last written to, if it has not been closed since; nil if no such write is known.
  func lastWrite(_ path: String) -> MonotonicClock.Instant? { written[path.pathKey] }

  /// When a file was last closed, if that was within the last `quiet` ms.
  func lastClose(_ path: String, now: MonotonicClock.Instant) -> MonotonicClock.Instant? {
    closed[path.pathKey].flatMap { now - $0 < quiet ? $0 : nil }
  }

  /// Forgets the writes to a file that has no writer after all, or is gone.
  mutating func forgetWrites(_ path: String) { written[path.pathKey] = nil }

  /// Forgets all writes: events were lost, perhaps a close among them.
  mutating func forgetWrites() { written = [:] }

  /// Forgets the files below folders that have left: they are no longer at these paths.
  mutating func forget(below folders: [String]) {
    let keys = Set(folders.map(\.pathKey))
    for key in written.keys where key.isBelow(keys) { written[key] = nil }
    for key in closed.keys where key.isBelow(keys) { closed[key] = nil }
  }
}
