import Configuration
import Glibc
import Platform
import Wire

/// Finds the files to send. inotify events report them at once. Scans find the others, because bind mounts and network
/// file systems deliver no events. Runs on its own thread. Memory use does not grow with the folder.
final class FolderSource {
  private let session: ProducerSession
  private let intake: FileIntake
  private let filter: FileFilter
  private var settings: ProducerSettings { session.settings }
  private var outbox: Outbox { session.outbox }
  private var events: ProducerEvents { session.events }
  private var stop: StopFlag { session.ending }

  private var watches: FolderWatches?
  /// The walk in progress, of the whole input or of a folder that has just appeared. A folder's prefix ends with a
  /// slash.
  private var walk: (walker: FolderWalker, prefix: String, begun: MonotonicClock.Instant)?
  private var nextScan = MonotonicClock.now
  private var scans = 0
  private var tally = FileTally()
  private var appeared: [String] = []
  /// Whether to scan everything again as soon as the current scan is complete.
  private var isScanWanted = false
  private var nextRecheck = MonotonicClock.now
  private let begun = MonotonicClock.now

  /// A scan visits this many entries before it turns to events and to files that have settled.
  private static let stride = 256
  /// The shortest time between two rounds of rechecks. Without it, an image that the broker refuses at once
  /// would be sent again at once.
  private static let recheckInterval = Duration.milliseconds(200)
  /// How long a run with `once` waits for the receipts that exist already.
  private static let receiptsTime = Duration.seconds(10)
  /// If more new folders than these appear at once, a scan of everything finds them.
  private static let mostAppeared = 1_000

  init(_ session: ProducerSession, candidates: BoundedQueue<Candidate>) {
    self.session = session
    intake = FileIntake(session, candidates: candidates)
    filter = session.settings.filter
  }

  /// Runs until `stop` is set. With `once`, returns when every existing file has been dealt with.
  /// - Throws: `InputFolder.Moved` when the input's path leads to another folder.
  func run() throws {
    if !settings.once { watches = FolderWatches(root: settings.input, events: events) }
    while !stop.isSet {
      if walk == nil { try startWalk() }
      if walk != nil { try session.ledger.reading { try step() } }
      if MonotonicClock.now >= nextRecheck {
        nextRecheck = MonotonicClock.now + Self.recheckInterval
        for again in outbox.takeRechecks() { try intake.consider(again.path, FileIntake.Cause(again.reason)) }
      }
      try intake.considerDue()
      if settings.once {
        if walk == nil, intake.isEmpty, outbox.isEmpty, try isDoneWithReceipts() { return }
        if walk == nil || intake.isFull { _ = stop.wait(for: .milliseconds(10)) }
      } else if let watches {
        let wait = walk != nil && !intake.isFull ? .zero : waiting
        try watches.next(timeout: wait, handle)
      }
    }
  }

  /// Whether a run with `once` may end, as far as receipts are concerned. Asked when nothing is in progress; only this
  /// thread claims paths. So the order of the questions matters: 1. does the ledger have images that wait; 2. is it being
  /// changed, or were not all files given back by such a change; 3. were files given back.
  private func isDoneWithReceipts() throws -> Bool {
    guard session.readsReceipts else { return true }
    let status = session.receiptStatus
    if settings.untilStored {
      if try session.ledger.isWaiting() { return false }
    } else if settings.afterSent != .keep {
      // They confirm files of earlier runs.
      guard status.hasCaughtUp.isSet || MonotonicClock.now - begun > Self.receiptsTime else { return false }
    } else {
      return true
    }
    let isChanging =
      status.isApplying.load(ordering: .sequentiallyConsistent) || status.losing.withLock { $0 != .nothing }
    return !isChanging && intake.isEmpty && outbox.isEmpty
  }

  private func handle(_ event: FolderWatches.Event) throws {
    switch event {
    case .written(let path): intake.written(path)
    case .closed(let path): if try !liesInOutput(path) { try intake.consider(path, .closed) }
    case .movedIn(let path): if try !liesInOutput(path) { try intake.consider(path, .movedIn) }
    case .unreadableName(let bytes): refuseName(bytes, .regular)
    case .folderAppeared(let folder) where appeared.count < Self.mostAppeared: appeared.append(folder)
    case .folderAppeared: isScanWanted = true
    case .foldersGone(let folders):
      intake.folders(gone: folders)
      // The scan finds a folder that was moved within the input under its new name.
      isScanWanted = true
    case .eventsLost:
      intake.eventsLost()
      isScanWanted = true
    }
  }

  /// How long to wait for events before something else has to be done.
  private var waiting: Duration {
    if isScanWanted { return .zero }
    let next = min(nextScan, intake.nextDue ?? nextScan, MonotonicClock.now + .milliseconds(100))
    return max(.zero, next - .now)
  }

  // MARK: Scanning

  private func startWalk() throws {
    if scans == 0 || (!settings.once && (isScanWanted || MonotonicClock.now >= nextScan)) {
      isScanWanted = false
      appeared = []
      tally = FileTally()
      do {
        if let named = settings.namedInput, try InputFolder.path(of: named) != settings.input {
          throw InputFolder.Moved()
        }
        watches?.scanBegins()
        walk = (try walker(""), "", MonotonicClock.now)
        events.input.readable()
      } catch let error as SystemError {
        if settings.once { throw error }
        // For example, the folder is not mounted at the moment.
        events.input.unreadable(error)
        nextScan = MonotonicClock.now + settings.rescan
      }
      scans += 1
    } else if let folder = appeared.popLast(), try !liesInOutput(folder), mayEnter(folder) {
      // If the folder is gone again, the next scan of its parent notices.
      if let walker = try? walker(folder + "/") { walk = (walker, folder + "/", MonotonicClock.now) }
    }
  }

  private func walker(_ prefix: String) throws(SystemError) -> FolderWalker {
    try FolderWalker(root: settings.input + "/" + prefix) { [unowned self] in mayEnter(prefix + $0) }
  }

  private func mayEnter(_ path: String) -> Bool {
    guard filter.enters(path), !isSentFolder(path) else { return false }
    // An output has images that came out of Kafka. Sending them would create a loop.
    guard !InputFolder.isOutput(settings.input + "/" + path) else {
      events.input.skippedOutput(path)
      return false
    }
    // The folder is watched before it is listed. A file that appears in between is seen twice instead of never.
    watches?.watch(path)
    return true
  }

  /// Whether a path is in an output. A watched folder may become an output at any time. From then on scans leave it
  /// out, but each file that is stored in it still raises an event.
  private func liesInOutput(_ path: String) throws -> Bool {
    for slash in path.utf8.indices where path.utf8[slash] == UInt8(ascii: "/") {
      let folder = String(path[..<slash])
      guard InputFolder.isOutput(settings.input + "/" + folder) else { continue }
      events.input.skippedOutput(folder)
      return true
    }
    return false
  }

  /// Whether a path is the folder that sent files are moved to. Compared by inode, because that setting may be spelled
  /// differently from the input, which has been resolved. Otherwise the moved files would be sent and moved again, one
  /// folder deeper each time.
  private func isSentFolder(_ path: String) -> Bool {
    guard let sent = (try? FileStatus.of(settings.sentFolder)) ?? nil,
      let folder = (try? FileStatus.of(settings.input + "/" + path)) ?? nil
    else { return false }
    return sent.inode == folder.inode && sent.device == folder.device
  }

  /// Continues the walk by a bounded number of entries.
  private func step() throws {
    guard let (walker, prefix, begun) = walk else { return }
    for _ in 0..<Self.stride where !intake.isFull {
      guard let result = walker.next() else {
        walk = nil
        guard prefix.isEmpty else { return }
        watches?.scanEnded()
        events.input.scanEnded()
        if settings.only == nil { events.input.scanned(tally, extensions: settings.extensions) }
        // A large folder is not scanned all the time: the next scan waits at least ten times as long as this one took.
        let now = MonotonicClock.now
        nextScan = now + max(settings.rescan, (now - begun) * 10)
        return
      }
      switch result {
      case .failure(let error): events.input.unreadableFolder(error)
      case .success(let entry):
        guard let path = entry.string else {
          refuseName(Array(prefix.utf8) + entry.relativePath, entry.kind)
          continue
        }
        for original in SetAside.originals(prefix + path, entry.kind, root: settings.input) { recover(original) }
        tally.add(prefix + path, entry.kind, by: filter)
        guard entry.kind != .folder else { continue }
        try intake.consider(prefix + path, .scan, kind: entry.kind)
      }
    }
  }

  /// Recovers a file that an earlier producer was about to move or delete. The claim keeps the other threads of this
  /// run away from it. A run that sends only single files leaves such files alone: another producer may be running, and
  /// they would be that producer's.
  private func recover(_ path: String) {
    guard settings.only == nil, outbox.claim(path) else { return }
    defer { outbox.release(path, again: .again) }
    do { try session.afterSent.recover(path) } catch { events.afterSentFailed(path, error) }
  }

  /// Reports a name that is not UTF-8, if it belongs to an image or to a folder that may hold images.
  private func refuseName(_ bytes: [UInt8], _ kind: FileStatus.Kind) {
    let readable = String(decoding: bytes, as: UTF8.self)
    switch kind {
    case .folder: if filter.enters(readable) { events.input.refusedName(bytes) }
    case .regular, .symbolicLink: if filter.accepts(readable) { events.input.refusedName(bytes) }
    case .other: break
    }
  }
}
