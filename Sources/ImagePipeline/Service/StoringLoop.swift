import Kafka
import Platform
import Telemetry

/// One life as a member of the group: polls, stores batch by batch, commits. One thread does all of it, but for what needs
/// neither the topic nor the catalog: while a batch is stored, the next is prepared, and librdkafka fetches more.
final class StoringLoop {
  private let reader: TopicReader
  private let store: ImageStore
  private let settings: ConsumerSettings
  private let log: Log
  private let events: ConsumerEvents
  private let stop: StopFlag
  private var upkeep: ConsumerUpkeep
  /// The batch that is being prepared, of the messages that come next.
  private var ahead: Ahead?

  private struct Ahead {
    var batch: ImageStore.Batch
    let preparation: Preparation
    /// The assignment that it belongs to.
    let epoch: Int
    let begun = Clock.monotonicMilliseconds
  }

  /// How long the first message is waited for, and how long others while there is something else to do, in ms.
  private static let patience = 200
  private static let moment = 2

  init(
    _ reader: TopicReader, _ store: ImageStore, _ settings: ConsumerSettings, log: Log, events: ConsumerEvents,
    stop: StopFlag
  ) {
    self.reader = reader
    self.store = store
    self.settings = settings
    self.log = log
    self.events = events
    self.stop = stop
    upkeep = ConsumerUpkeep(settings, events: events)
  }

  deinit { if let ahead { store.abandon(ahead.preparation) } }

  /// Returns when `stop` is set, or when `count` or `untilIdle` is reached.
  /// - Parameter patience: how long to go without a place in the group, in ms.
  func run(patience: Int) throws {
    while !stop.isSet {
      if let fatal = reader.fatalError { throw fatal }
      if reader.hasNoPlace(forMilliseconds: patience) { throw NoPlace(milliseconds: patience) }
      events.beat(waiting: reader.waiting.count + (ahead?.batch.messages.count ?? 0))
      if try isOver() { return }
    }
    try finishAhead()
  }

  /// Looks once for messages, and stores what is to be stored. Returns true where the run has reached its end.
  private func isOver() throws -> Bool {
    let left = settings.count.map { $0 - events.stored } ?? Int.max
    if left <= 0 { return true }
    let room = min(settings.batchImages, left - (ahead?.batch.messages.count ?? 0))
    guard room > 0 else {
      try finishAhead()
      return false
    }
    // As long as the batch before is not ready, there is time to gather.
    let isBusy = ahead?.preparation.isReady == false
    let came = try reader.pump(maximum: min(room - reader.waiting.count, 32), timeoutMilliseconds: timeout(isBusy))
    if came { upkeep.somethingCame() }
    // One message may be far larger than a batch of ours: memory has no room for another batch beside it.
    let isLarge = reader.waitingBytes > 2 * settings.batchBytes
    if isLarge, try !finishAhead() { return false }
    if reader.isDue(room: room, bytes: settings.batchBytes, quiet: !came && !isBusy) {
      let batch = reader.takeBatch(room: room)
      let next = Ahead(batch: batch, preparation: store.begin(batch), epoch: reader.epoch)
      var isNext = false
      defer { if !isNext { store.abandon(next.preparation) } }
      isNext = try finishAhead()
      if isNext { ahead = next }
      if isLarge { try finishAhead() }
    } else if !came, !isBusy {
      // What is ready is not kept for company that is not there yet: while it is stored, more gathers by itself.
      try finishAhead()
    }
    return try reader.waiting.isEmpty && ahead == nil && upkeep.isRunOver(reader, store)
  }

  private func timeout(_ isBusy: Bool) -> Int {
    if isBusy { return Self.moment }
    if ahead != nil { return 0 }
    return reader.waiting.isEmpty ? Self.patience : Self.moment
  }

  /// Stores what is ahead, if anything is. What the system is at fault for is tried again until it works or the run ends.
  /// - Returns: false where it is not stored: then what comes behind it must not be, and is read again with it.
  @discardableResult
  private func finishAhead() throws -> Bool {
    guard let ahead = ahead.take() else { return true }
    var (batch, begun) = (ahead.batch, ahead.begun)
    var preparation: Preparation? = ahead.preparation
    defer {
      if let preparation { store.abandon(preparation) }
      reader.resume()
    }
    // Its partitions were assigned anew, or its topic is another one: it comes again, or never.
    guard reader.epoch == ahead.epoch, !reader.topicIsNew, !reader.isStale else { return false }
    // What came before it is stored by now.
    batch.base = reader.base(of: batch.messages)
    var delay = 500
    while true {
      let outcome: ImageStore.Outcome
      do {
        guard try reader.isStillOf(batch) else { return false }
        outcome = try store.store(batch, preparation.take()) { [reader, stop] in reader.keepAlive(stop) }
      } catch {
        if CatalogError.final(error, path: store.catalog.path) != nil { throw error }
        events.storingFailed(error, retryMilliseconds: delay)
        let again = Clock.monotonicMilliseconds + Int64(delay)
        while Clock.monotonicMilliseconds < again {
          guard reader.keepAlive(stop) else { return false }
        }
        delay = min(delay * 2, 30_000)
        continue
      }
      switch outcome {
      case .givenUp: return false
      case .fenced:
        log.info("another consumer has stored some of these messages: going on where it is")
        try reader.reload()
        return false
      case .stored(let stored):
        reader.committed(stored.positions)
        for (partition, position) in stored.positions { settings.onStored?(partition, position.next) }
        events.stored(stored, since: begun)
        guard let rest = stored.rest else { return true }
        batch = rest
        begun = Clock.monotonicMilliseconds
        delay = 500
      }
    }
  }
}
