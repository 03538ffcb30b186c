import Configuration
import Platform
import Wire

/// Decides about each file of the input that a scan or an event names: send it, wait until it is finished, move or delete
/// it, or leave it. Used by the thread of `FolderSource`.
final class FileIntake {
  private let session: ProducerSession
  private let candidates: BoundedQueue<Candidate>
  private var settling: Settling
  private var writers: FileWriters
  private let filter: FileFilter
  /// Whether this host's kernel sets the ctime of the files on a device.
  private var localDevices: [UInt64: Bool] = [:]
  /// How often each file changed again after it was sent, by `pathKey`. Only counted with `once`, because that run must
  /// end.
  private var versions: [[UInt8]: Int] = [:]
  private var settings: ProducerSettings { session.settings }
  private var outbox: Outbox { session.outbox }
  private var events: ProducerEvents { session.events }

  init(_ session: ProducerSession, candidates: BoundedQueue<Candidate>) {
    self.session = session
    self.candidates = candidates
    filter = session.settings.filter
    settling = Settling(quiet: session.settings.settling)
    writers = FileWriters(quiet: session.settings.settling)
  }

  // MARK: What the source reports

  /// A program has written to a file, and has not closed it yet.
  func written(_ path: String) {
    if filter.accepts(path) { writers.written(path, now: .now) }
  }

  /// Folders have been moved or removed, with everything below them.
  func folders(gone folders: [String]) { writers.forget(below: folders) }

  /// Events were lost: a file that was being written may have been closed.
  func eventsLost() { writers.forgetWrites() }

  // MARK: What waits here

  /// Whether no file waits to be finished.
  var isEmpty: Bool { settling.isEmpty }

  /// Whether the limit of waiting files is reached, so that a scan pauses.
  var isFull: Bool { settling.isFull }

  /// When the next file has waited long enough; nil if none waits.
  var nextDue: MonotonicClock.Instant? { settling.nextDue }

  /// Decides again about the files that have waited long enough.
  func considerDue() throws {
    while let path = settling.due(now: .now) { try consider(path, .due) }
  }

  // MARK: Deciding

  /// Why a file is looked at.
  enum Cause: Equatable {
    case scan
    /// The file has settled, unless it has changed since.
    case due
    /// An event: a writer has closed the file.
    case closed
    /// An event: the file was moved in, and is complete.
    case movedIn
    /// One of these events arrived while the file was in progress.
    case finished
    /// The file was given back to be looked at again.
    case again
    /// The file was taken too early. `tries`: how often.
    case unfinished(UnfinishedFile, tries: Int)
    /// The file was to be moved or deleted too early. `looks`: how often.
    case unsettled(UnfinishedFile, looks: Int)

    init(_ reason: Outbox.Recheck.Reason) {
      self =
        switch reason {
        case .finished: .finished
        case .again: .again
        case .unfinished(let reason, let tries): .unfinished(reason, tries: tries)
        case .unsettled(let reason, let looks): .unsettled(reason, looks: looks)
        }
    }
  }

  /// Decides about a file.
  /// - Parameter kind: what a scan has found; events only report files.
  func consider(_ path: String, _ cause: Cause, kind: FileStatus.Kind = .regular) throws {
    if let only = settings.only, !only.contains(path) { return }
    guard filter.accepts(path), kind == .regular || kind == .symbolicLink else {
      if kind == .symbolicLink { reportLinkedFolder(path) }
      return
    }
    let status: FileStatus?
    do { status = try FileStatus.of(settings.input + "/" + path) } catch {
      settling.forget(path)
      return events.refused(path, error, wasFound: false)
    }
    guard let status, status.kind == .regular else {
      // Gone, or a link to a folder. Such a link is not followed, because it might lead in a circle.
      if let status, status.kind == .folder { events.input.skippedLink(path) }
      events.gone(path)
      settling.forget(path)
      return writers.forgetWrites(path)
    }
    switch cause {
    case .closed, .movedIn: try takeClosed(path, status, cause)
    case .finished: try takeFinished(path)
    case .unfinished(let reason, let tries): postpone(path, status, reason, tries: tries, isSent: false)
    case .unsettled(let reason, let looks): postpone(path, status, reason, tries: looks, isSent: true)
    case .scan, .due, .again: try takeSettled(path, status, cause, kind)
    }
  }

  /// Handles an event that reports that a writer is done with the file. A writer that comes back within `SETTLE_MS` is
  /// not done.
  private func takeClosed(_ path: String, _ status: FileStatus, _ cause: Cause) throws {
    let now = MonotonicClock.now
    let isFirst = writers.closed(path, now: now)
    guard isFirst || cause == .movedIn else { return settling.wait(path, status, since: now, isClosed: true) }
    try takeFinished(path)
  }

  private func takeFinished(_ path: String) throws {
    settling.forget(path)
    // The claim comes before the ledger is read. In the other order: 1. the line is read; 2. the version in flight gets
    // to the ledger and its claim ends; 3. this claim succeeds, with an outdated line.
    guard outbox.claim(path) else { return }
    // The stamp does not matter: if clocks are coarse, other bytes may have the same stamp.
    let line = try session.ledger.line(path)
    take(Candidate(path: path, stamp: nil, sent: sent(line), hasSettled: false))
  }

  /// The hash of the version that was sent last, and that need not be sent again.
  private func sent(_ line: Ledger.Line?) -> Digest? { line.flatMap { session.isSent($0) ? $0.digest : nil } }

  /// Takes a file that no event has reported as finished, once it has settled: to send it, or to move or delete it.
  private func takeSettled(_ path: String, _ status: FileStatus, _ cause: Cause, _ kind: FileStatus.Kind) throws {
    guard !events.isRefused(path, status) else { return settling.forget(path) }
    guard !outbox.isClaimed(path) else {
      guard cause == .due else { return }
      settling.forget(path)
      // The path is looked at again after the version that is being sent.
      if outbox.claim(path) { outbox.release(path, again: .finished) }
      return
    }
    if cause == .scan, outbox.isReturning(path) { return }
    let stamp = FileStamp(status)
    let line = try session.ledger.line(path)
    let looksSent = line?.stamp == stamp && sent(line) != nil
    let mayLeave = line.map(session.mayLeave) ?? false
    if looksSent {
      events.alreadySent(path)
      if !mayLeave, !settling.contains(path) { return }
    }
    guard case .finished(let tries, let isClosed) = settled(path, status, cause, kind, looksSent: looksSent) else {
      return
    }
    if looksSent, !isClosed {
      guard mayLeave, outbox.claim(path) else { return }
      session.writer.add(.settled(path: path, stamp: stamp, looks: tries))
    } else if countVersion(path, cause, wasSent: line != nil), outbox.claim(path) {
      take(Candidate(path: path, stamp: isClosed ? nil : stamp, sent: sent(line), hasSettled: true, tries: tries))
    }
  }

  /// With `once`, counts the versions of a file that changes again each time it was sent, because the run must end.
  /// - Returns: false if there are too many versions; then the file is refused.
  private func countVersion(_ path: String, _ cause: Cause, wasSent: Bool) -> Bool {
    guard settings.once, wasSent, cause != .scan else { return true }
    versions[path.pathKey, default: 0] += 1
    guard versions[path.pathKey]! >= UnfinishedFile.mostTries else { return true }
    settling.forget(path)
    events.refused(path, UnfinishedFile.changes, wasFound: false)
    return false
  }

  /// Whether a file has settled and can be sent or, if it looks as it did when it was sent, moved or deleted.
  private func settled(_ path: String, _ status: FileStatus, _ cause: Cause, _ kind: FileStatus.Kind, looksSent: Bool)
    -> Settling.Verdict
  {
    let now = MonotonicClock.now
    // Writes through a link raise their events at another path.
    if kind != .symbolicLink, let since = writers.lastWrite(path) {
      if isBeingWritten(path, since: since, now: now) {
        settling.wait(path, status, since: now)
        let tries = settling.tries(path, now: now)
        if cause == .due { giveUpIfLate(path, .isOpen, tries: tries, isSent: looksSent) }
        return .waiting(tries: tries)
      }
      writers.forgetWrites(path)
    }
    if let close = writers.lastClose(path, now: now) { settling.wait(path, status, since: close) }
    let verdict = settling.observe(
      path, status, isLocal: isLocal(status, path), now: now, wall: WallClock.nanoseconds)
    if case .waiting(let tries) = verdict, cause == .due {
      giveUpIfLate(path, .changes, tries: tries, isSent: looksSent)
    }
    return verdict
  }

  /// Whether a file is still being written to. An event reported a write, and no event has reported a close since. The
  /// kernel knows whether the file is open. If the kernel does not tell, the file has to stay unchanged for longer.
  private func isBeingWritten(_ path: String, since: MonotonicClock.Instant, now: MonotonicClock.Instant) -> Bool {
    let writers = (try? File.open(settings.input + "/" + path, .read).writers()) ?? .unknown
    let quiet = settings.settling * UnfinishedFile.looks
    return writers == .some || (writers == .unknown && now - since < quiet)
  }

  private func isLocal(_ status: FileStatus, _ path: String) -> Bool {
    if let known = localDevices[status.device] { return known }
    // The file may be gone by now, which says nothing about the others on its device.
    guard let kind = try? FileSystemKind.of(settings.input + "/" + path) else { return false }
    localDevices[status.device] = !kind.isShared
    return !kind.isShared
  }

  /// Makes a file wait that was taken, moved or deleted too early.
  private func postpone(_ path: String, _ status: FileStatus, _ reason: UnfinishedFile, tries: Int, isSent: Bool) {
    let now = MonotonicClock.now
    settling.wait(
      path, status, since: writers.lastClose(path, now: now) ?? now, tries: tries, isClosed: !isSent)
    giveUpIfLate(path, reason, tries: tries, isSent: isSent)
  }

  /// Reports a file that is still unfinished after many tries. With `once`, the run stops waiting for it.
  private func giveUpIfLate(_ path: String, _ reason: UnfinishedFile, tries: Int, isSent: Bool) {
    guard tries >= UnfinishedFile.mostTries, reason == .isOpen || reason == .changes else { return }
    if isSent {
      events.afterSentFailed(path, reason)
    } else if settings.once {
      events.refused(path, reason, wasFound: false)
    } else {
      events.waitsForWriter(path, reason)
    }
    if settings.once { settling.forget(path) }
  }

  /// Reports a link to a folder. Its name is not that of an image, but somebody may be waiting for the images in it.
  private func reportLinkedFolder(_ path: String) {
    guard filter.enters(path),
      let status = (try? FileStatus.of(settings.input + "/" + path)) ?? nil, status.kind == .folder
    else { return }
    events.input.skippedLink(path)
  }

  /// Hands a claimed file to the senders.
  private func take(_ candidate: Candidate) {
    events.found(candidate.path)
    if !candidates.push(candidate) { outbox.release(candidate.path) }
  }
}
