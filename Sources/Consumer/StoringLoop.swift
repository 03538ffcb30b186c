import Configuration
import Kafka
import Output
import Platform
import Telemetry

/// One life as a member of the group: polls, stores batch by batch, commits. One thread does all of it, but for what needs
/// neither the topic nor the catalog: while a batch is stored, the next ones are prepared, and librdkafka fetches more.
final class StoringLoop {
  private let reader: TopicReader
  private let store: ImageStore
  private let settings: ConsumerSettings
  private let log: Log
  private let events: ConsumerEvents
  private let stop: StopFlag
  private var upkeep: ConsumerUpkeep
  private var ahead = BatchesAhead()
  /// So many batches are still to be prepared one at a time, with their messages kept: something stood in the way of storing
  /// what is prepared and nothing else.
  private var carefulBatches = 0
  private let begin: (ImageStore.Batch, _ releasing: Bool) -> Preparation

  /// How long the first message is waited for, and how long others while there is something else to do, in ms.
  private static let patience = 200
  private static let moment = 2
  /// A transaction's messages are prepared in as many batches. More of them would be waiting longer for a disk that is slower
  /// than the broker.
  private static let mostAhead = 4
  /// Where images are small, more of them at once would only make the first one wait.
  private static let mostImages = 256
  /// Bytes of messages above which a batch has memory to itself.
  private static let large = 12 << 20
  /// After something stood in the way: it may be the same with the next ones.
  private static let carefulAfterwards = 16

  /// - Parameter begin: has a batch prepared; nil: the store does.
  init(
    _ reader: TopicReader, _ store: ImageStore, _ settings: ConsumerSettings, log: Log, events: ConsumerEvents,
    stop: StopFlag, begin: ((ImageStore.Batch, _ releasing: Bool) -> Preparation)? = nil
  ) {
    self.reader = reader
    self.store = store
    self.settings = settings
    self.log = log
    self.events = events
    self.stop = stop
    self.begin = begin ?? { store.begin($0, releasing: $1) }
    upkeep = ConsumerUpkeep(settings, events: events)
  }

  deinit { abandon(ahead.takeAll()) }

  private var batchImages: Int { min(settings.batchImages, Self.mostImages) }
  private var batchBytes: Int { max(1, settings.batchBytes / Self.mostAhead) }

  /// Returns when `stop` is set, or when `count` or `untilIdle` is reached.
  /// - Parameter patience: how long to go without a place in the group, in ms.
  func run(patience: Int) throws {
    while !stop.isSet {
      if let fatal = reader.fatalError { throw fatal }
      try reader.restoreTopic()
      if reader.hasNoPlace(forMilliseconds: patience) { throw NoPlace(milliseconds: patience) }
      events.beat(waiting: reader.waiting.count + ahead.messages)
      if try isOver() { return }
    }
    try finish(downTo: 0)
  }

  /// Looks once for messages, and stores what is to be stored. Returns true where the run has reached its end.
  private func isOver() throws -> Bool {
    let left = settings.count.map { $0 - events.stored } ?? Int.max
    if left <= 0 { return true }
    let room = min(batchImages, left - ahead.messages)
    guard room > 0 else {
      try finishFirst()
      return false
    }
    let isBusy = ahead.isBusy
    let came = try reader.pump(maximum: min(room - reader.waiting.count, 32), timeoutMilliseconds: timeout(isBusy))
    if came { upkeep.somethingCame() }
    // One message may be far larger than a batch of ours: memory has no room for another batch beside it.
    let isLarge = reader.waitingBytes > max(Self.large, 2 * batchBytes)
    if isLarge, try !finish(downTo: 0) { return false }
    if reader.isDue(room: room, bytes: batchBytes, quiet: !came && !isBusy) {
      let isFull = reader.waiting.count >= room || reader.waitingBytes >= batchBytes
      let (batch, epoch) = (reader.takeBatch(room: room), reader.epoch)
      ahead.append(batch, begin(batch, carefulBatches == 0), epoch: epoch)
      // What is there is not kept for more that may not come soon.
      try finish(downTo: isLarge ? 0 : isFull && carefulBatches == 0 ? Self.mostAhead - 1 : 1)
    } else if !came, !isBusy {
      // What is ready is not kept for company that is not there yet: while it is stored, more gathers by itself.
      try finishFirst()
    }
    return try reader.waiting.isEmpty && ahead.isEmpty && upkeep.isRunOver(reader, store)
  }

  private func timeout(_ isBusy: Bool) -> Int {
    if isBusy { return Self.moment }
    if !ahead.isEmpty { return 0 }
    return reader.waiting.isEmpty ? Self.patience : Self.moment
  }

  /// Stores what is ahead until no more than so many batches are.
  /// - Returns: as `finishFirst`.
  @discardableResult
  private func finish(downTo count: Int) throws -> Bool {
    while ahead.count > count {
      guard try finishFirst() else { return false }
    }
    return true
  }

  /// Stores the first of what is ahead, if anything is, and what is ready behind it. What the system is at fault for is tried
  /// again until it works or the run ends.
  /// - Returns: false where it is not stored: then nothing that comes behind it is, and all of it is read again.
  @discardableResult
  private func finishFirst() throws -> Bool {
    // Partitions were assigned anew, and what came since is of the new assignment.
    abandon(ahead.takeVoid(epoch: reader.epoch))
    guard let taken = ahead.takeFirst(upTo: settings.batchImages, settings.batchBytes) else { return true }
    var preparations = taken.preparations
    var isStored = false
    defer {
      for preparation in preparations { store.abandon(preparation) }
      if !isStored { abandon(ahead.takeAll()) }
      reader.resume()
    }
    // The topic is another one, or the catalog is to be read.
    guard !reader.topicIsNew, !reader.isStale else { return false }
    guard reader.isNext(taken.batch) else {
      log.warning("messages before this batch are not stored; reading them again", ["event": "batch_out_of_order"])
      try reader.reload()
      return false
    }
    var (batch, begun) = (taken.batch, taken.begun)
    // What came before it is stored by now.
    batch.base = reader.base(of: batch.messages)
    var delay = 500
    while true {
      let outcome: ImageStore.Outcome
      do {
        guard try reader.isStillOf(batch) else { return false }
        let prepared = preparations
        preparations = []
        outcome = try store.store(batch, prepared) { [reader, stop] in reader.keepAlive(stop) }
      } catch {
        if CatalogError.final(error, path: store.catalog.path) != nil { throw error }
        if error is SegmentFileGone, batch.isReleased { return try readAgain() }
        events.storingFailed(error, retryMilliseconds: delay)
        guard waits(milliseconds: delay) else { return false }
        if batch.isReleased { return try readAgain() }
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
        if stored.isCutShort { return try readAgain() }
        guard let rest = stored.rest else {
          isStored = true
          carefulBatches = max(0, carefulBatches - 1)
          return true
        }
        batch = rest
        begun = Clock.monotonicMilliseconds
        delay = 500
      }
    }
  }

  /// A batch cannot be stored as it is, and its messages are not there any more.
  private func readAgain() throws -> Bool {
    carefulBatches = Self.carefulAfterwards
    try reader.reload()
    return false
  }

  /// - Returns: false where the batch that waits is void.
  private func waits(milliseconds: Int) -> Bool {
    let end = Clock.monotonicMilliseconds + Int64(milliseconds)
    while Clock.monotonicMilliseconds < end {
      guard reader.keepAlive(stop) else { return false }
    }
    return true
  }

  private func abandon(_ entries: [BatchesAhead.Entry]) {
    for entry in entries { for preparation in entry.preparations { store.abandon(preparation) } }
  }
}
