import Platform
import Synchronization

/// Writes the ledger for many images at a time, and moves or deletes the files of earlier ones. Runs on its own thread.
final class LedgerWriter: Sendable {
  enum Entry: Sendable {
    /// The broker has all of it.
    case sent(Outbox.Flight)
    /// Its bytes were sent before, under another stamp or this one.
    case known(path: String, stamp: FileStamp, digest: Digest)
    /// The ledger has it, and the file has been quiet since: it may be moved or deleted now.
    /// - Parameter looks: how often it was found unchanged before.
    case settled(path: String, stamp: FileStamp, looks: Int)
  }

  private let queue: BoundedQueue<Entry>
  private let ledger: Ledger
  private let outbox: Outbox
  private let afterSent: AfterSent
  /// The last message of each partition that was acknowledged.
  private let marks: @Sendable () -> [Int32: SentMark]
  private let events: ProducerEvents
  private let stop: StopFlag
  /// What ended the run: a ledger that cannot be written any more.
  let failure = Mutex<(any Error)?>(nil)

  /// A transaction costs a sync: as many images as are there share one.
  private static let batch = 1_000
  private static let retryMilliseconds = 1_000
  /// How long a transaction waits for more of them, in ms. Nobody waits for it but a file's next version.
  private static let gathering = 20

  init(
    ledger: Ledger, outbox: Outbox, afterSent: AfterSent, marks: @escaping @Sendable () -> [Int32: SentMark] = { [:] },
    events: ProducerEvents, stop: StopFlag
  ) {
    self.marks = marks
    self.ledger = ledger
    self.outbox = outbox
    self.afterSent = afterSent
    self.events = events
    self.stop = stop
    queue = BoundedQueue(capacity: 100_000)
  }

  /// Never blocks in practice: the queue holds more than can be in flight.
  func add(_ entry: Entry) { _ = queue.push(entry) }

  func close() { queue.close() }

  /// Returns when the queue is closed and empty.
  func run() {
    while true {
      let entries = queue.popAll(atMost: Self.batch, gatheringMilliseconds: Self.gathering)
      if entries.isEmpty { return }
      write(entries)
    }
  }

  private func write(_ entries: [Entry]) {
    var lines: [(path: String, line: Ledger.Line)] = []
    for entry in entries {
      switch entry {
      case .sent(let flight):
        lines.append((flight.path, Ledger.Line(stamp: flight.stamp, digest: flight.digest)))
      case .known(let path, let stamp, let digest): lines.append((path, Ledger.Line(stamp: stamp, digest: digest)))
      case .settled: break
      }
    }
    while !lines.isEmpty {
      do {
        try ledger.record(lines, marks: marks())
        break
      } catch {
        if error is LedgerError {
          failure.withLock { $0 = error }
          return stop.set()
        }
        events.ledgerFailed(error)
        // Given back, these files would be sent again and again. Kept, they hold the producer up until there is room.
        // Once more at the end: there may be room by now.
        if stop.isSet { return }
        _ = stop.wait(milliseconds: Self.retryMilliseconds)
      }
    }
    FaultPoint.ledgerCommitted.reached()
    // What may be moved or deleted is looked at once more for that, when it has settled.
    let next: Outbox.Recheck.Reason? = afterSent.action == .keep ? nil : .again
    var gone: [String] = []
    var released: [(path: String, again: Outbox.Recheck.Reason?)] = []
    for entry in entries {
      switch entry {
      case .sent(let flight):
        events.sent(flight.path, bytes: flight.stamp.size, since: flight.begun)
        released.append((flight.path, next))
      case .known(let path, _, _):
        events.known(path)
        released.append((path, next))
      case .settled(let path, let stamp, let looks):
        let outcome = act(path, stamp, looks)
        if outcome == .gone { gone.append(path) }
        released.append((path, outcome.again(looks)))
      }
    }
    FaultPoint.sentFileHandled.reached()
    // What is not in the folder any more need not be remembered, or a camera's ledger would grow for ever.
    if !gone.isEmpty { do { try ledger.remove(gone) } catch { events.ledgerFailed(error) } }
    outbox.release(released)
  }

  private func act(_ path: String, _ stamp: FileStamp, _ looks: Int) -> AfterSent.Outcome {
    do { return try afterSent.perform(path, stamp, looks: looks) } catch {
      events.afterSentFailed(path, error)
      return .stays
    }
  }
}

extension AfterSent.Outcome {
  fileprivate func again(_ looks: Int) -> Outbox.Recheck.Reason? {
    switch self {
    case .stays, .gone: nil
    case .again: .again
    case .unfinished(let reason): .unsettled(reason, looks: looks + 1)
    }
  }
}
