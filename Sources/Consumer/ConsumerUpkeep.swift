import Configuration
import Kafka
import Output
import Platform

/// Periodic work of a consumer between batches. It gives up on segments that do not arrive, removes segment files that
/// no image waits for, sends receipts, and detects that a run with `untilIdle` is over.
struct ConsumerUpkeep {
  private let settings: ConsumerSettings
  private let receipts: ReceiptFeed?
  private let events: ConsumerEvents
  private let group: GroupWatch
  private var idle: IdleWatch
  private var next = MonotonicClock.now
  private var nextCleaning = MonotonicClock.now

  private static let interval = Duration.milliseconds(500)
  /// The delay after a failure. A failure does not pass within a moment.
  private static let retryDelay = Duration.seconds(5)

  init(_ settings: ConsumerSettings, _ receipts: ReceiptFeed?, events: ConsumerEvents) {
    self.settings = settings
    self.receipts = receipts
    self.events = events
    group = GroupWatch(settings)
    idle = IdleWatch(limit: settings.untilIdle)
  }

  mutating func somethingCame() { idle.reset() }

  /// To be called when nothing waits to be stored. Returns true if the whole topic has been stored for `untilIdle`.
  mutating func run(_ driver: SessionDriver, _ store: ImageStore) throws -> Bool {
    guard MonotonicClock.now >= next else { return false }
    next = MonotonicClock.now + Self.interval
    receipts?.upkeep()
    driver.noteReceipts(sentUpTo: receipts?.sentOffsets)
    guard driver.session.isCaughtUp else {
      idle.reset()
      return false
    }
    driver.lookAtEnds()
    do {
      try driver.upkeep { try tidy(driver, store) }
      events.expiringIsWell()
    } catch {
      if Disposition(of: error) == .final { throw error }
      events.expiringFailed(error, retryIn: Self.retryDelay)
      next += Self.retryDelay
    }
    // Upkeep polls, and may have brought other partitions or another topic.
    guard driver.session.isCaughtUp else {
      idle.reset()
      return false
    }
    let isStored =
      try settings.untilIdle != nil
      && group.hasStored(
        allBut: Set(driver.session.partitions.keys), unread: store.catalog.unread(settings.topic, driver.session.topic))
    return idle.update(allStored: isStored)
  }

  /// To be called only at the topic's end: messages that are still to be read may hold the missing segments.
  private mutating func tidy(_ driver: SessionDriver, _ store: ImageStore) throws {
    if MonotonicClock.now >= nextCleaning, try store.removeOrphans(olderThan: settings.segmentTimeout) {
      nextCleaning = MonotonicClock.now + settings.segmentTimeout
    }
    let expired = try store.expire(
      driver.session.topic, settings.topic, after: settings.segmentTimeout, in: Set(driver.session.partitions.keys),
      partitionCount: driver.partitionCount)
    for image in expired ?? [] { events.expired(image) }
    try driver.reportLosses(to: store)
    try store.recordPositions(driver.session.partitions.compactMapValues(\.stored), of: driver.session.topic)
  }
}
