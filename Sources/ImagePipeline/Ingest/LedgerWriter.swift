import Platform
import Synchronization

/// Writes the ledger for many images at a time, then does with their files what was asked for. Runs on its own thread.
final class LedgerWriter: Sendable {
  enum Entry: Sendable {
    /// The broker has all of it.
    case sent(Outbox.Flight)
    /// Its bytes were sent before, under another stamp or this one.
    case known(path: String, stamp: FileStamp, digest: Digest)
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
      }
    }
    while true {
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
    var outcomes: [AfterSent.Outcome] = []
    for entry in entries {
      switch entry {
      case .sent(let flight):
        events.sent(flight.path, bytes: flight.stamp.size, since: flight.begun)
        outcomes.append(act(flight.path, flight.stamp))
      case .known(let path, let stamp, _):
        events.known(path)
        outcomes.append(act(path, stamp))
      }
    }
    FaultPoint.sentFileHandled.reached()
    // What is not in the folder any more need not be remembered, or a camera's ledger would grow for ever.
    let gone = zip(lines, outcomes).filter { $0.1 == .gone }
    do { try ledger.remove(gone.map(\.0.path)) } catch { events.ledgerFailed(error) }
    outbox.release(zip(lines, outcomes).map { ($0.path, $1 == .again) })
  }

  private func act(_ path: String, _ stamp: FileStamp) -> AfterSent.Outcome {
    do { return try afterSent.perform(path, stamp) } catch {
      events.afterSentFailed(path, error)
      return .stays
    }
  }
}
