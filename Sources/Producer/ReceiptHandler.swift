import Configuration
import Platform
import Wire

/// Applies receipts to the ledger, and finds images whose receipts do not arrive. Confirmed and lost images are given back to
/// be looked at again. Used by one thread.
final class ReceiptHandler {
  private let session: ProducerSession
  /// Reports about images that no line of the ledger is about yet: the broker's acknowledgement arrives later than the
  /// consumer's receipt. If the process ends before, the next one finds the image to be lost and sends it again.
  private var early: [Early] = []
  private var passed = PassedPositions()
  /// The positions by which images were found to be lost. Each of them counts once: the topic may have been re-created
  /// since, and then it has other messages at these offsets.
  private var reviewed: [PassedPosition.Key: Int64] = [:]
  /// The last position of each output and partition.
  private var lastPassed: [PassedPosition.Key: PassedPosition] = [:]
  /// Positions to record with the next change.
  private var newPassed: [PassedPosition.Key: PassedPosition] = [:]
  private var newPositions: [Int32: Int64] = [:]
  private var recordedPositions: [Int32: Int64] = [:]
  /// nil: at once.
  private var nextWrite: MonotonicClock.Instant?
  private var nextReview: MonotonicClock.Instant?

  private struct Early {
    let report: ReceiptReport
    let since: MonotonicClock.Instant
  }

  private var settings: ProducerSettings { session.settings }
  private var outbox: Outbox { session.outbox }
  private var events: ReceiptEvents { session.events.receipts }

  /// Positions alone are not worth a transaction each time.
  private static let writeInterval = Duration.seconds(1)
  private static let reviewInterval = Duration.seconds(1)
  private static let retryDelay = Duration.seconds(1)
  /// The most images of one review that are found to be lost.
  private static let mostLost = 1_000
  /// The limit of paths that wait to be looked at again. Above it, receipts wait.
  private static let mostReturning = 20_000

  init(_ session: ProducerSession) throws {
    self.session = session
    recordedPositions = try session.ledger.receiptPositions()
    for position in try session.ledger.passedPositions() {
      passed.add(position, now: .now)
      lastPassed[position.key] = position
    }
  }

  /// Whether there is room for the files that more receipts may give back.
  var isReady: Bool { outbox.returningCount < Self.mostReturning }

  // MARK: Receipts that arrive

  /// Applies receipts.
  /// - Parameter positions: how far the topic of receipts is read.
  /// - Throws: an error of the ledger that waiting does not fix.
  func handle(_ receipts: [Receipt], positions: [Int32: Int64] = [:], now: MonotonicClock.Instant = .now) throws {
    let receipts = receipts.filter { $0.topic == settings.topic }
    newPositions.merge(positions.filter { recordedPositions[$0.key] != $0.value }) { $1 }
    for receipt in receipts where !receipt.offsets.isEmpty {
      let position = PassedPosition(
        output: receipt.output, partition: receipt.partition, next: receipt.offsets.upperBound, time: receipt.time)
      guard position.replaces(newPassed[position.key] ?? lastPassed[position.key]) else { continue }
      newPassed[position.key] = position
    }
    let reports = early + receipts.flatMap(reports).map { Early(report: $0, since: now) }
    guard !reports.isEmpty || ((nextWrite.map { now >= $0 } ?? true) && !(newPassed.isEmpty && newPositions.isEmpty))
    else { return }
    nextWrite = now + Self.writeInterval
    // Asked before the ledger is read: an image that is not in progress has its line.
    let inProgress = reports.map { early in
      early.report.path.map(outbox.isClaimed) ?? (now - early.since < PassedPositions.patience)
    }
    session.receiptStatus.isApplying.store(true, ordering: .sequentiallyConsistent)
    defer { session.receiptStatus.isApplying.store(false, ordering: .sequentiallyConsistent) }
    guard let effects = try apply(reports.map(\.report)) else { return }
    early = []
    for (index, effect) in effects.enumerated() where effect == .unmatched && inProgress[index] {
      early.append(reports[index])
    }
    for position in newPassed.values { passed.add(position, now: now) }
    lastPassed.merge(newPassed) { $1 }
    recordedPositions.merge(newPositions) { $1 }
    (newPassed, newPositions) = ([:], [:])
    for (report, effect) in zip(reports, effects) where effect == .ignored {
      events.outputIgnored(report.report.output)
    }
    act(on: effects)
  }

  /// The reports of a receipt about images of this input.
  private func reports(_ receipt: Receipt) -> [ReceiptReport] {
    receipt.images.compactMap { image in
      var path: String?
      if let name = image.name {
        // By bytes: the prefix of a name may be a part of a Character.
        let prefix = settings.namePrefix.utf8
        guard name.utf8.starts(with: prefix) else { return nil }
        path = String(decoding: name.utf8.dropFirst(prefix.count), as: UTF8.self)
      }
      return ReceiptReport(
        output: receipt.output, path: path, digest: image.digest, partition: receipt.partition, offset: image.offset,
        time: receipt.time, outcome: image.outcome)
    }
  }

  /// Writes to the ledger, and tries again until that succeeds.
  /// - Returns: nil if the run ends before. Then the receipts are read again by the next one.
  private func apply(_ reports: [ReceiptReport]) throws -> [ReceiptReport.Effect]? {
    while true {
      do {
        return try session.ledger.apply(
          reports, needed: settings.receiptsNeeded, passed: Array(newPassed.values), positions: newPositions)
      } catch {
        if Disposition(of: error) == .final { throw error }
        session.events.ledgerFailed(error)
        if session.ending.isSet { return nil }
        _ = session.ending.wait(for: Self.retryDelay)
      }
    }
  }

  private func act(on effects: [ReceiptReport.Effect]) {
    let now = WallClock.milliseconds
    var (confirmed, lost): ([String], [String]) = ([], [])
    for effect in effects {
      switch effect {
      case .unmatched, .ignored, .noted: break
      case .confirmed(let path, let seen):
        events.confirmed(path, after: seen > 0 ? .milliseconds(now - seen) : nil)
        confirmed.append(path)
      case .deadLetter(let path, let reason): events.deadLettered(path, reason)
      case .lost(let path): lost.append(path)
      }
    }
    if settings.afterSent != .keep { outbox.lookAgain(confirmed) }
    sendAgain(lost)
  }

  // MARK: Receipts that do not arrive

  /// Looks for lost images and counts those that wait. To be called often; does something about once a second.
  func review(now: MonotonicClock.Instant = .now) throws {
    if let nextReview, now < nextReview { return }
    if !early.isEmpty { try handle([], now: now) }
    let begun = MonotonicClock.now
    do {
      if isReady {
        var excluded = PathSet()
        for path in early.compactMap(\.report.path) { excluded.insert(path) }
        session.receiptStatus.isApplying.store(true, ordering: .sequentiallyConsistent)
        defer { session.receiptStatus.isApplying.store(false, ordering: .sequentiallyConsistent) }
        let due = passed.settled(now: now).filter { reviewed[$0.key] != $0.next }
        let lost = try session.ledger.lose(
          due, needed: settings.receiptsNeeded, excluding: excluded, limit: Self.mostLost)
        if lost.count < Self.mostLost { for position in due { reviewed[position.key] = position.next } }
        sendAgain(lost)
        try loseAll()
      }
      let waiting = try session.ledger.waiting()
      events.waiting(waiting.count, oldest: waiting.oldest, isNeeded: settings.afterSent != .keep)
    } catch {
      if Disposition(of: error) == .final { throw error }
      // A ledger that cannot be used is reported by those who write to it.
    }
    // With many images that wait, this takes a while. It must not take much of the time.
    nextReview = now + max(Self.reviewInterval, (MonotonicClock.now - begun) * 20)
  }

  /// Has images sent again that waited for receipts of a topic that was re-created. A run with `once` scans only once.
  private func loseAll() throws {
    while isReady, case .recorded(let last) = session.receiptStatus.losing.withLock({ $0 }) {
      let lost = try session.ledger.paths(.lost, after: last, limit: Self.mostLost)
      sendAgain(lost)
      let next = lost.last.map { ReceiptStatus.Losing.recorded(after: $0) } ?? .nothing
      session.receiptStatus.losing.withLock { $0 = next }
    }
  }

  /// Has lost images looked at again, which sends them. Those without a file are recorded as gone.
  private func sendAgain(_ lost: [String]) {
    var (gone, there): ([String], [String]) = ([], [])
    for path in lost {
      let exists = exists(path)
      if exists { there.append(path) } else { gone.append(path) }
      events.lost(path, isGone: !exists)
    }
    if !gone.isEmpty { do { try session.ledger.setGone(gone) } catch { session.events.ledgerFailed(error) } }
    outbox.lookAgain(there)
  }

  /// Also true if the file's status cannot be read.
  private func exists(_ path: String) -> Bool {
    do { return try FileStatus.of(settings.input + "/" + path) != nil } catch { return true }
  }
}
