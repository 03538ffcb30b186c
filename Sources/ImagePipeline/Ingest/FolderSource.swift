import Glibc
import Platform

/// Finds the files that are to be sent: by inotify's events at once, and by scans, because bind mounts and network file
/// systems deliver no events. Runs on its own thread; memory does not grow with the folder.
final class FolderSource {
  private let settings: ProducerSettings
  private let filter: FileFilter
  private let outbox: Outbox
  private let ledger: Ledger
  private let writer: LedgerWriter
  private let afterSent: AfterSent
  private let candidates: BoundedQueue<Candidate>
  private let events: ProducerEvents
  private let stop: StopFlag

  private var settling: Settling
  private var watches: FolderWatches?
  /// A walk that is under way, of the whole input or of a folder that has just appeared (with a slash behind).
  private var walk: (walker: FolderWalker, prefix: String, begun: Int64)?
  private var nextScan: Int64 = 0
  private var scans = 0
  private var appeared: [String] = []
  private var nextRecheck: Int64 = 0

  /// A scan looks at so many entries, then at events and at files that have settled.
  private static let stride = 256
  /// What the broker refuses at once would otherwise be sent again at once, in ms.
  private static let recheckInterval: Int64 = 200
  /// More new folders than these at once are found by a scan of everything.
  private static let mostAppeared = 1_000

  init(
    _ settings: ProducerSettings, outbox: Outbox, ledger: Ledger, writer: LedgerWriter, afterSent: AfterSent,
    candidates: BoundedQueue<Candidate>, events: ProducerEvents, stop: StopFlag
  ) {
    self.settings = settings
    filter = FileFilter(extensions: settings.extensions)
    self.outbox = outbox
    self.ledger = ledger
    self.writer = writer
    self.afterSent = afterSent
    self.candidates = candidates
    self.events = events
    self.stop = stop
    settling = Settling(quietMilliseconds: settings.settleMilliseconds)
  }

  /// Returns when `stop` is set, or, where only what is there is wanted, when all of it has been dealt with.
  func run() throws {
    if !settings.once { watches = FolderWatches(root: settings.input, events: events) }
    while !stop.isSet {
      if walk == nil { try startWalk() }
      if walk != nil { try ledger.reading { try step() } }
      if Clock.monotonicMilliseconds >= nextRecheck {
        nextRecheck = Clock.monotonicMilliseconds + Self.recheckInterval
        for again in outbox.takeRechecks() { try consider(again.path, isFinished: again.isFinished) }
      }
      while let path = settling.due(now: Clock.monotonicMilliseconds) { try consider(path, isFinished: false) }
      if settings.once {
        if walk == nil, settling.isEmpty, outbox.isEmpty { return }
        if walk == nil || settling.isFull { _ = stop.wait(milliseconds: 10) }
      } else if let watches {
        let wait = walk != nil && !settling.isFull ? 0 : waiting
        try watches.next(
          timeoutMilliseconds: wait,
          finished: { if try !liesInOutput($0) { try consider($0, isFinished: true) } },
          refused: { refuseName($0, .regular) }, appeared: noteAppeared)
      }
    }
  }

  /// - Parameter folder: nil where events do not tell everything.
  private func noteAppeared(_ folder: String?) {
    if let folder, appeared.count < Self.mostAppeared {
      appeared.append(folder)
    } else {
      nextScan = Clock.monotonicMilliseconds
    }
  }

  /// How long nothing is to be done but to wait for events, in ms.
  private var waiting: Int {
    let next = min(nextScan, settling.nextDue ?? .max, Clock.monotonicMilliseconds + 100)
    return max(0, Int(next - Clock.monotonicMilliseconds))
  }

  // MARK: Scanning

  private func startWalk() throws {
    if scans == 0 || (!settings.once && Clock.monotonicMilliseconds >= nextScan) {
      appeared = []
      watches?.watch("")
      do {
        walk = (try walker(""), "", Clock.monotonicMilliseconds)
      } catch {
        if settings.once { throw error }
        // A folder that is not mounted at the moment, say.
        events.unreadableFolder(error)
        nextScan = Clock.monotonicMilliseconds + Int64(settings.rescanMilliseconds)
      }
      scans += 1
    } else if let folder = appeared.popLast(), try !liesInOutput(folder), mayEnter(folder) {
      // Where it is gone again, its parent's next scan knows.
      if let walker = try? walker(folder + "/") { walk = (walker, folder + "/", Clock.monotonicMilliseconds) }
    }
  }

  private func walker(_ prefix: String) throws(SystemError) -> FolderWalker {
    try FolderWalker(root: settings.input + "/" + prefix) { [unowned self] in mayEnter(prefix + $0) }
  }

  private func mayEnter(_ path: String) -> Bool {
    guard filter.enters(path.lastComponent), !isSentFolder(path) else { return false }
    // An output has images that came out of Kafka: sending them would go round in a circle.
    guard !InputFolder.isOutput(settings.input + "/" + path) else {
      events.skippedOutput(path)
      return false
    }
    // Watched before it is listed: what comes in between is seen twice, never not at all.
    watches?.watch(path)
    return true
  }

  /// A watched folder may become an output at any time. A scan leaves it out from then on; what is stored is an event.
  private func liesInOutput(_ path: String) throws -> Bool {
    for slash in path.utf8.indices where path.utf8[slash] == UInt8(ascii: "/") {
      let folder = String(path[..<slash])
      guard InputFolder.isOutput(settings.input + "/" + folder) else { continue }
      events.skippedOutput(folder)
      return true
    }
    return false
  }

  /// Where sent files are moved to may be written in another way than the input, which has been resolved. What was moved
  /// there would be sent and moved again, a folder deeper each time.
  private func isSentFolder(_ path: String) -> Bool {
    guard let sent = (try? FileStatus.of(settings.sentFolder)) ?? nil,
      let folder = (try? FileStatus.of(settings.input + "/" + path)) ?? nil
    else { return false }
    return sent.inode == folder.inode && sent.device == folder.device
  }

  /// Goes on with the walk, by a bounded number of entries.
  private func step() throws {
    guard let (walker, prefix, begun) = walk else { return }
    for _ in 0..<Self.stride where !settling.isFull {
      guard let result = walker.next() else {
        walk = nil
        guard prefix.isEmpty else { return }
        // A folder so large that a scan takes long is not scanned all the time.
        let now = Clock.monotonicMilliseconds
        nextScan = now + max(Int64(settings.rescanMilliseconds), 10 * (now - begun))
        return
      }
      switch result {
      case .failure(let error): events.unreadableFolder(error)
      case .success(let entry):
        guard let path = entry.string else {
          refuseName(Array(prefix.utf8) + entry.relativePath, entry.kind)
          continue
        }
        for original in SetAside.originals(prefix + path, entry.kind, root: settings.input) { recover(original) }
        guard entry.kind != .folder else { continue }
        try consider(prefix + path, isFinished: false, kind: entry.kind)
      }
    }
  }

  /// A file that an earlier producer was about to move or to delete. The claim keeps this run's own out of it. Whoever
  /// sends single files only may do so beside another producer, whose they would be.
  private func recover(_ path: String) {
    guard settings.only == nil, outbox.claim(path) else { return }
    defer { outbox.release(path, again: true) }
    do { try afterSent.recover(path) } catch { events.afterSentFailed(path, error) }
  }

  /// A name that is not UTF-8: said where an image, or a folder that may hold some, is passed by for it.
  private func refuseName(_ bytes: [UInt8], _ kind: FileStatus.Kind) {
    let readable = String(decoding: bytes, as: UTF8.self).lastComponent
    switch kind {
    case .folder: if filter.enters(readable) { events.refusedName(bytes) }
    case .regular, .symbolicLink: if filter.accepts(readable) { events.refusedName(bytes) }
    case .other: break
    }
  }

  // MARK: One file

  /// - Parameter isFinished: an event said that its writer has closed it.
  private func consider(_ path: String, isFinished: Bool, kind: FileStatus.Kind = .regular) throws {
    if let only = settings.only, !only.contains(path) { return }
    guard filter.accepts(path.lastComponent), kind == .regular || kind == .symbolicLink else {
      if kind == .symbolicLink { sayLinkedFolder(path) }
      return
    }
    let status: FileStatus?
    do { status = try FileStatus.of(settings.input + "/" + path) } catch {
      settling.forget(path)
      return events.refused(path, error, wasFound: false)
    }
    guard let status, status.kind == .regular else {
      // Gone; or a link to a folder, which is not followed: it might lead in a circle.
      if let status, status.kind == .folder { events.skippedLink(path) }
      return settling.forget(path)
    }
    guard !events.isRefused(path, status) else { return }
    if isFinished {
      settling.forget(path)
      // The claim before the ledger: what is in flight now may get there in between.
      guard outbox.claim(path) else { return }
      // Whatever its stamp says: where clocks are coarse, or times are set back, other bytes come under the same one.
      return take(path, status, stamp: nil, sent: try ledger.line(path)?.digest)
    }
    guard !outbox.isClaimed(path) else { return }
    let stamp = FileStamp(status)
    let line = try ledger.line(path)
    if let line, line.stamp == stamp {
      settling.forget(path)
      events.alreadySent(path)
      // A run that ended between the ledger and the move or removal has left this one.
      if settings.afterSent != .keep, outbox.claim(path) {
        writer.add(.known(path: path, stamp: stamp, digest: line.digest))
      }
      return
    }
    guard
      settling.observe(path, status, now: Clock.monotonicMilliseconds, wall: Clock.wallNanoseconds),
      outbox.claim(path)
    else { return }
    take(path, status, stamp: stamp, sent: line?.digest)
  }

  /// A link that is no image by its name may still be a folder that somebody waits for.
  private func sayLinkedFolder(_ path: String) {
    guard filter.enters(path.lastComponent),
      let status = (try? FileStatus.of(settings.input + "/" + path)) ?? nil, status.kind == .folder
    else { return }
    events.skippedLink(path)
  }

  /// Hands a claimed path to the senders.
  private func take(_ path: String, _ status: FileStatus, stamp: FileStamp?, sent: Digest?) {
    events.found(path, status)
    if !candidates.push(Candidate(path: path, stamp: stamp, sent: sent)) { outbox.release(path) }
  }
}
