import Configuration
import Kafka
import Output
import Platform
import Telemetry

/// One membership of the group: polls, prepares batches, stores them one after another, and commits. All of it runs on
/// one thread, except work that needs neither the topic nor the catalog: while a batch is stored, the next ones are
/// prepared, and librdkafka fetches more.
final class BatchPipeline {
  private let driver: SessionDriver
  private let store: ImageStore
  private let settings: ConsumerSettings
  private let log: Log
  private let events: ConsumerEvents
  private let stop: StopFlag
  private let receipts: ReceiptFeed?
  private var upkeep: ConsumerUpkeep
  private var ahead = PreparedBatches()
  private let memory = MemoryUse()
  private let prepare: (ImageStore.Batch, _ releasing: Bool) -> Preparation

  /// The poll timeouts: for the first message, and while there is something else to do.
  private static let patience = Duration.milliseconds(200)
  private static let moment = Duration.milliseconds(2)
  /// The memory for messages, and the images of a transaction, are divided among this many batches, or more.
  private static let shares = 4
  /// The most batches that are being prepared, or are prepared and not stored.
  private static let mostAhead = 16
  /// The most images in a prepared batch. If images are small, more of them would only make the first one wait.
  private static let mostImages = 256
  /// Bytes of messages above which a batch has memory to itself.
  private static let large = 12 << 20

  /// - Parameters:
  ///   - receipts: nil if there are none.
  ///   - prepare: begins to prepare a batch; nil to have the store do it.
  init(
    _ driver: SessionDriver, _ store: ImageStore, _ settings: ConsumerSettings, receipts: ReceiptFeed? = nil, log: Log,
    events: ConsumerEvents, stop: StopFlag, prepare: ((ImageStore.Batch, _ releasing: Bool) -> Preparation)? = nil
  ) {
    self.driver = driver
    self.store = store
    self.settings = settings
    self.log = log
    self.events = events
    self.stop = stop
    self.receipts = receipts
    self.prepare = prepare ?? { store.begin($0, releasing: $1) }
    upkeep = ConsumerUpkeep(settings, receipts, events: events)
  }

  deinit { abandon(ahead.takeAll()) }

  private var batchImages: Int { min(settings.batchImages, Self.mostImages) }
  private var batchBytes: Int { max(1, settings.batchBytes / Self.shares) }

  /// Whether the batches ahead fill a transaction, or the memory. Before that, ready ones are held back, because a
  /// transaction costs the same, however much is in it.
  private var isFarAhead: Bool {
    !ahead.isEmpty
      && (ahead.messages >= max(settings.batchImages, Self.shares * batchImages)
        || memory.bytes > settings.batchBytes - batchBytes)
  }

  /// Returns when `stop` is set, or when `count` or `untilIdle` is reached.
  /// - Parameter patience: how long to wait for an assignment.
  /// - Throws: `NoAssignment` if none arrives in that time.
  func run(patience: Duration) throws {
    while !stop.isSet {
      if let fatal = driver.fatalError { throw fatal }
      try driver.restoreTopic()
      if let waited = driver.waitedForAssignment, waited > patience {
        throw NoAssignment(waited: patience)
      }
      events.beat(waiting: driver.session.waiting.count + ahead.messages)
      if try turn() { return }
    }
    try finish(downTo: 0)
  }

  /// Polls once, and stores what is due. Returns true if the run has reached its end.
  private func turn() throws -> Bool {
    let left = settings.count.map { $0 - events.stored } ?? Int.max
    if left <= 0 { return true }
    let room = min(batchImages, left - ahead.messages)
    guard room > 0 else {
      try finishFirst()
      return false
    }
    let isBusy = ahead.isBusy
    let came = try driver.pump(
      maximum: min(room - driver.session.waiting.count, 32), timeout: timeout(isBusy))
    if came { upkeep.somethingCame() }
    // One message may be far larger than a batch. Then memory has no room for another batch.
    let isLarge = driver.session.waiting.bytes > max(Self.large, 2 * batchBytes)
    if isLarge, try !finish(downTo: 0) { return false }
    let isFull = driver.session.waiting.isFull(count: room, bytes: batchBytes)
    let isDue = isFull || !came && !isBusy || driver.session.waiting.isOverdue(at: .now)
    if isDue, !driver.session.waiting.isEmpty {
      let isCareful = handOut(room)
      // Waiting messages are not held back for others that may not arrive soon.
      try finish(downTo: isLarge ? 0 : isFull && !isCareful ? Self.mostAhead - 1 : 1)
      while isFarAhead { try finishFirst() }
    } else if !came, !isBusy {
      // A ready batch is not held back for others that do not exist yet. More messages gather while it is stored.
      try finishFirst()
    }
    return try driver.session.waiting.isEmpty && ahead.isEmpty && upkeep.run(driver, store)
  }

  private func timeout(_ isBusy: Bool) -> Duration {
    if isBusy { return Self.moment }
    if !ahead.isEmpty { return .zero }
    return driver.session.waiting.isEmpty ? Self.patience : Self.moment
  }

  /// Begins to prepare the next batch. Returns whether its messages keep their content.
  private func handOut(_ room: Int) -> Bool {
    let next = driver.handOut(room)
    var batch = ImageStore.Batch(topic: driver.session.topic, messages: next.messages, base: [:])
    batch.memory = memory.share(next.messages.reduce(0) { $0 + $1.size })
    ahead.append(next.ticket, batch, prepare(batch, !next.keepsContent))
    return next.keepsContent
  }

  /// Stores prepared batches until at most `count` are left.
  /// - Returns: false if one of them is not stored: see `finishFirst`.
  @discardableResult
  private func finish(downTo count: Int) throws -> Bool {
    while ahead.count > count {
      guard try finishFirst() else { return false }
    }
    return true
  }

  /// Stores the first of the prepared batches, if there is one, together with the ready ones after it.
  /// - Returns: false if it is not stored. Then the batches after it are not stored either, and all are read again.
  @discardableResult
  private func finishFirst() throws -> Bool {
    // The assignment, position or topic of these batches is no longer current.
    try giveUp(ahead.takeAll { [session = driver.session] in !session.isCurrent($0) })
    try wait(for: ahead.firstPreparations) { [driver, stop] in driver.keepAlive(stop) }
    // The wait may have brought another assignment.
    try giveUp(ahead.takeAll { [session = driver.session] in !session.isCurrent($0) })
    guard let first = ahead.takeFirst(upTo: settings.batchImages) else { return true }
    let isStored: Bool
    if driver.begin(first.ticket) {
      isStored = try storeAll(of: first)
      try driver.endStoring(stop)
    } else {
      abandon([first])
      isStored = false
    }
    if !isStored {
      store.place.restart()
      try giveUp(ahead.takeAll())
    }
    return isStored
  }

  /// Waits for preparations. If that takes long, the client is polled meanwhile, and fetches no more.
  private func wait(for preparations: [Preparation], _ whileWaiting: () -> Bool) throws {
    guard !store.areOver(preparations, { false }) else { return }
    try driver.upkeep {
      let isOver = store.areOver(preparations, whileWaiting)
      if !isOver, stop.isSet { store.place.interrupt() }
    }
  }

  /// A batch that fails through a fault of the system is tried again until it succeeds, the batch is void, or the run
  /// ends.
  /// - Returns: whether all of it is stored.
  private func storeAll(of entry: PreparedBatches.Entry) throws -> Bool {
    var (batch, preparations, begun) = (entry.batch, entry.preparations, entry.begun)
    defer { for preparation in preparations { store.abandon(preparation) } }
    while true {
      let outcome: ImageStore.Outcome
      do {
        guard let positions = try driver.expectedPositions() else { return false }
        batch.base = positions
        batch.lost = driver.session.lost
        let prepared = preparations
        preparations = []
        outcome = try store.store(batch, prepared) { [driver, stop] in driver.keepAlive(stop) }
      } catch {
        guard try waitsForRetry(batch, after: error) else { return false }
        continue
      }
      switch outcome {
      case .givenUp: return false
      case .fenced:
        log.info(
          event: "batch_fenced", "another consumer has stored some of these messages; continuing at its position")
        return false
      case .stored(let stored):
        note(stored, since: begun)
        switch stored.remainder {
        case .nothing: return true
        case .unreadable: return false
        case .batch(let rest): (batch, begun) = (rest, MonotonicClock.now)
        }
      }
    }
  }

  private func note(_ stored: ImageStore.Stored, since begun: MonotonicClock.Instant) {
    let remainder: ConsumerSession<KafkaMessage>.Remainder =
      switch stored.remainder {
      case .nothing: .nothing
      case .batch: .rest
      case .unreadable: .unreadable
      }
    driver.stored(stored.positions, leaving: remainder)
    receipts?.upkeep()
    driver.noteReceipts(sentUpTo: receipts?.sentOffsets)
    for (partition, position) in stored.positions { settings.onStored?(partition, position.next) }
    events.stored(stored, since: begun)
  }

  /// Waits after a failure.
  /// - Returns: false if the batch is void, or if it cannot be tried again because its messages' content is gone.
  /// - Throws: errors that are final.
  private func waitsForRetry(_ batch: ImageStore.Batch, after error: any Error) throws -> Bool {
    if Disposition(of: error) == .final { throw error }
    // The end of the run may have interrupted it.
    if stop.isSet { return false }
    if !(error is SegmentFileGone && batch.isReleased) {
      let delay = driver.storingFailed()
      events.storingFailed(error, retryIn: delay)
      guard keepAlive(for: delay) else { return false }
    }
    guard batch.isReleased || store.place.mustReadAgain else { return true }
    driver.readAgain()
    return false
  }

  /// - Returns: false if the waiting batch is void, or if the run ends.
  private func keepAlive(for duration: Duration) -> Bool {
    let end = MonotonicClock.now + duration
    while MonotonicClock.now < end {
      guard driver.keepAlive(stop) else { return false }
    }
    return true
  }

  /// Waits for the preparations of these batches, and drops them. The client is polled meanwhile.
  private func giveUp(_ entries: [PreparedBatches.Entry]) throws {
    defer { abandon(entries) }
    try wait(for: entries.flatMap(\.preparations)) { [driver, stop] in
      _ = driver.keepAlive(stop)
      return !stop.isSet
    }
  }

  private func abandon(_ entries: [PreparedBatches.Entry]) {
    for entry in entries { for preparation in entry.preparations { store.abandon(preparation) } }
  }
}
