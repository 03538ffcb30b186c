import Platform
import Wire

/// Records many images at a time in the ledger, and moves or deletes the files of earlier ones. Runs on its own thread.
final class LedgerWriter: Sendable {
  enum Entry: Sendable {
    /// The broker has acknowledged all of the image.
    case sent(Outbox.Flight)
    /// The same bytes were sent before, with this stamp or another one.
    case known(path: String, stamp: FileStamp, digest: Digest)
    /// The ledger has the file, and the file has been quiet since. It may be moved or deleted now.
    /// - Parameter looks: how often it was found unchanged before.
    case settled(path: String, stamp: FileStamp, looks: Int)
  }

  private let queue: BoundedQueue<Entry>
  private let ledger: Ledger
  private let outbox: Outbox
  private let afterSent: AfterSent
  /// The last acknowledged message of each partition.
  private let marks: @Sendable () -> [Int32: MessageMark]
  private let receiptsNeeded: Int
  private let events: ProducerEvents
  private let stop: StopFlag

  /// The most images in one transaction. A transaction costs a sync, so all images that are ready share one.
  private static let batch = 1_000
  /// The most entries that wait. That is more than can be in flight, but not more than a scan can find.
  static let mostWaiting = 100_000
  private static let retryDelay = Duration.seconds(1)
  /// How long a transaction waits for more images. Only the next version of a file is delayed by it.
  private static let gathering = Duration.milliseconds(20)

  /// - Parameter receiptsNeeded: how many outputs have to confirm an image before its file is moved or deleted; 0: the
  ///   broker's acknowledgement is enough.
  init(
    ledger: Ledger, outbox: Outbox, afterSent: AfterSent,
    marks: @escaping @Sendable () -> [Int32: MessageMark] = { [:] }, receiptsNeeded: Int = 0,
    events: ProducerEvents, stop: StopFlag
  ) {
    self.marks = marks
    self.receiptsNeeded = receiptsNeeded
    self.ledger = ledger
    self.outbox = outbox
    self.afterSent = afterSent
    self.events = events
    self.stop = stop
    queue = BoundedQueue(capacity: Self.mostWaiting)
  }

  /// Adds an entry. Blocks while the queue is full, and does nothing once the writer has ended.
  func add(_ entry: Entry) { _ = queue.push(entry) }

  func close() { queue.close() }

  /// Writes entries until the queue is closed and empty.
  /// - Throws: an error that waiting does not fix: the ledger is damaged, or another one is in its place.
  func run() throws {
    // Nobody may wait for a writer that has ended.
    defer { queue.close() }
    if afterSent.action != .keep { try forgetGone() }
    while true {
      let entries = queue.popAll(atMost: Self.batch, gathering: Self.gathering)
      if entries.isEmpty { return }
      try write(entries)
    }
  }

  /// Forgets the files that an earlier run has moved or deleted. It was killed before it could do so itself.
  private func forgetGone() throws {
    var last = ""
    do {
      while !stop.isSet {
        let page = try ledger.lines(after: last, limit: Self.batch)
        guard let end = page.last else { return }
        last = end.path
        let gone = page.filter { path, line in
          // If these bytes were sent again, the line may wait for receipts, and the file could go all the same.
          line.outputs.nonzeroBitCount >= receiptsNeeded && [.unknown, .waiting, .confirmed].contains(line.state)
            && afterSent.isGone(path)
        }
        if !gone.isEmpty { try ledger.remove(gone.map(\.path)) }
      }
    } catch {
      if Disposition(of: error) == .final { throw error }
      // The next run tries it again.
      events.ledgerFailed(error)
    }
  }

  private func write(_ entries: [Entry]) throws {
    var lines: [(path: String, line: Ledger.Line)] = []
    for entry in entries {
      switch entry {
      case .sent(let flight):
        lines.append((flight.path, Ledger.Line(stamp: flight.stamp, digest: flight.digest, delivery: flight.delivery)))
      case .known(let path, let stamp, let digest): lines.append((path, Ledger.Line(stamp: stamp, digest: digest)))
      case .settled: break
      }
    }
    while !lines.isEmpty {
      do {
        try ledger.record(lines, marks: marks())
        break
      } catch {
        if Disposition(of: error) == .final { throw error }
        events.ledgerFailed(error)
        // If these files were given back, they would be sent again and again. Kept here, they hold the producer up
        // until there is room. A stop during the wait leaves one last try: there may be room by then.
        if stop.isSet { return }
        _ = stop.wait(for: Self.retryDelay)
      }
    }
    FaultPoint.ledgerCommitted.reached()
    // A file that may be moved or deleted is looked at once more for that, after it has settled. If receipts are needed,
    // that is when they have arrived.
    let next: Outbox.Recheck.Reason? = afterSent.action == .keep ? nil : .again
    var gone: [String] = []
    var released: [(path: String, again: Outbox.Recheck.Reason?)] = []
    for entry in entries {
      switch entry {
      case .sent(let flight):
        events.sent(flight.path, bytes: flight.stamp.size, since: flight.begun)
        released.append((flight.path, receiptsNeeded > 0 ? nil : next))
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
    // Files that are no longer in the folder need no line. Otherwise the ledger of a camera would grow forever.
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
