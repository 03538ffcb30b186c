import Platform

/// What is done with one file of the input.
extension FolderSource {
  /// Why a file is looked at.
  enum Cause: Equatable {
    case scan
    /// It has settled, as far as nothing changed since.
    case due
    /// An event: a writer has closed it.
    case closed
    /// An event: it was moved in, and is complete.
    case movedIn
    /// One of these events came while it was being worked on.
    case finished
    /// It was given back, to be looked at again.
    case again
    /// It was taken too early. `tries`: how often.
    case unfinished(UnfinishedFile, tries: Int)
    /// It was to be moved or deleted too early. `looks`: how often.
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
      // Gone; or a link to a folder, which is not followed: it might lead in a circle.
      if let status, status.kind == .folder { events.skippedLink(path) }
      events.gone(path)
      settling.forget(path)
      return writers.forgetWrites(path)
    }
    switch cause {
    case .closed, .movedIn: try takeClosed(path, status, cause)
    case .finished: try takeFinished(path, status)
    case .unfinished(let reason, let tries): postpone(path, status, reason, tries: tries, isSent: false)
    case .unsettled(let reason, let looks): postpone(path, status, reason, tries: looks, isSent: true)
    case .scan, .due, .again: try takeSettled(path, status, cause, kind)
    }
  }

  /// An event tells that a writer is done with the file. A writer that comes back within `SETTLE_MS` is not done.
  private func takeClosed(_ path: String, _ status: FileStatus, _ cause: Cause) throws {
    let now = Clock.monotonicMilliseconds
    let isFirst = writers.closed(path, now: now)
    guard isFirst || cause == .movedIn else { return settling.wait(path, status, since: now, isClosed: true) }
    try takeFinished(path, status)
  }

  private func takeFinished(_ path: String, _ status: FileStatus) throws {
    settling.forget(path)
    // The claim before the ledger: what is in flight now may get there in between.
    guard outbox.claim(path) else { return }
    // Whatever its stamp says: where clocks are coarse, other bytes come under the same one.
    take(Candidate(path: path, stamp: nil, sent: try ledger.line(path)?.digest, hasSettled: false))
  }

  /// Takes a file that no event has called finished, once it has settled: to be sent, or to be moved or deleted.
  private func takeSettled(_ path: String, _ status: FileStatus, _ cause: Cause, _ kind: FileStatus.Kind) throws {
    guard !events.isRefused(path, status) else { return settling.forget(path) }
    guard !outbox.isClaimed(path) else {
      guard cause == .due else { return }
      settling.forget(path)
      // It is looked at again after the version that is being sent.
      if outbox.claim(path) { outbox.release(path, again: .finished) }
      return
    }
    if cause == .scan, outbox.isReturning(path) { return }
    let stamp = FileStamp(status)
    let line = try ledger.line(path)
    let looksSent = line?.stamp == stamp
    if looksSent {
      events.alreadySent(path)
      if settings.afterSent == .keep, !settling.contains(path) { return }
    }
    guard case .finished(let tries, let isClosed) = settled(path, status, cause, kind, looksSent: looksSent) else {
      return
    }
    if looksSent, !isClosed {
      guard settings.afterSent != .keep, outbox.claim(path) else { return }
      writer.add(.settled(path: path, stamp: stamp, looks: tries))
    } else if countVersion(path, cause, wasSent: line != nil), outbox.claim(path) {
      take(Candidate(path: path, stamp: isClosed ? nil : stamp, sent: line?.digest, hasSettled: true, tries: tries))
    }
  }

  /// With `once`, counts the versions of a file that changes again after each sending: the run must end.
  /// - Returns: false if it is one too many; the file is refused then.
  private func countVersion(_ path: String, _ cause: Cause, wasSent: Bool) -> Bool {
    guard settings.once, wasSent, cause != .scan else { return true }
    versions[path.pathKey, default: 0] += 1
    guard versions[path.pathKey]! >= UnfinishedFile.mostTries else { return true }
    settling.forget(path)
    events.refused(path, UnfinishedFile.changes, wasFound: false)
    return false
  }

  /// Whether a file has settled: to be sent, or, if it looks as it was sent, to be moved or deleted.
  private func settled(_ path: String, _ status: FileStatus, _ cause: Cause, _ kind: FileStatus.Kind, looksSent: Bool)
    -> Settling.Verdict
  {
    let now = Clock.monotonicMilliseconds
    // What is written to through a link raises its events elsewhere.
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
      path, status, isLocal: isLocal(status, path), now: now, wall: Clock.wallNanoseconds)
    if case .waiting(let tries) = verdict, cause == .due {
      giveUpIfLate(path, .changes, tries: tries, isSent: looksSent)
    }
    return verdict
  }

  /// An event said that the file was written to, and none that it was closed since. The kernel knows whether it is open.
  /// If it does not tell, the file has to stay unchanged for longer.
  private func isBeingWritten(_ path: String, since: Int64, now: Int64) -> Bool {
    let writers = (try? File.open(settings.input + "/" + path, .read).writers()) ?? .unknown
    let quiet = Int64(settings.settleMilliseconds * UnfinishedFile.looks)
    return writers == .some || (writers == .unknown && now - since < quiet)
  }

  private func isLocal(_ status: FileStatus, _ path: String) -> Bool {
    if let known = localDevices[status.device] { return known }
    let kind = try? FileSystemKind.of(settings.input + "/" + path)
    let isLocal = kind.map { !$0.isShared } ?? false
    localDevices[status.device] = isLocal
    return isLocal
  }

  /// Lets a file wait that was taken, moved or deleted too early.
  private func postpone(_ path: String, _ status: FileStatus, _ reason: UnfinishedFile, tries: Int, isSent: Bool) {
    let now = Clock.monotonicMilliseconds
    settling.wait(
      path, status, since: writers.lastClose(path, now: now) ?? now, tries: tries, isClosed: !isSent)
    giveUpIfLate(path, reason, tries: tries, isSent: isSent)
  }

  /// After many tries a person is told. With `--once` the run does not wait any longer for the file.
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

  /// A link that is no image by its name may still be a folder that somebody waits for.
  private func reportLinkedFolder(_ path: String) {
    guard filter.enters(path),
      let status = (try? FileStatus.of(settings.input + "/" + path)) ?? nil, status.kind == .folder
    else { return }
    events.skippedLink(path)
  }

  /// Hands a claimed file to the senders.
  private func take(_ candidate: Candidate) {
    events.found(candidate.path)
    if !candidates.push(candidate) { outbox.release(candidate.path) }
  }
}
