import Cluster
import Kafka
import Output
import Platform
import Telemetry
import Wire

/// Takes a consumer's receipts from the outbox to the sender, and removes those that the broker has. Used by the thread
/// that uses the catalog, between transactions. A broker that does not answer delays receipts, and nothing else.
///
/// Errors of the catalog are not reported here: the next transaction meets them, too.
final class ReceiptFeed {
  private let outbox: ReceiptOutbox
  private let settings: KafkaSettings
  private let source: String
  private let events: ConsumerEvents
  private var sender: ReceiptSender
  /// The id of the last receipt that was handed over.
  private var last: Int64 = 0
  /// Whether receipts that were handed over are to be handed over again, because one of them was refused.
  private var isRepeating = false
  private var nextUpkeep = MonotonicClock.now
  /// How long a receipt may wait for the broker before that is logged, and how long a refused one waits.
  private let patience: Duration
  private let upkeepInterval: Duration

  /// How many receipts are read at a time.
  private static let mostRows = 16
  /// A transaction of its own is spent on removing this many receipts.
  private static let mostRemovable = 1_000
  /// How soon upkeep that another consumer's lock has prevented is due again.
  private static let upkeepRetry = Duration.seconds(1)
  /// How long the end of a run waits for the broker. The next run sends the remaining receipts.
  private static let endPatience = Duration.seconds(2)

  /// - Parameter source: the topic of the images.
  init(
    _ outbox: ReceiptOutbox, _ settings: KafkaSettings, source: String, patience: Duration = .seconds(10),
    upkeepInterval: Duration = .seconds(10), events: ConsumerEvents
  ) throws {
    self.outbox = outbox
    self.settings = settings
    self.source = source
    self.patience = patience
    self.upkeepInterval = upkeepInterval
    self.events = events
    sender = try ReceiptSender(settings, source: source, retryDelay: patience)
    report(sent: 0)
  }

  /// Hands new receipts to the sender.
  func advance() {
    // Asked first, so that the reports are complete if nothing is under way.
    let isIdle = sender.isIdle
    let (acknowledged, failure) = sender.takeReports()
    outbox.acknowledge(acknowledged)
    report(sent: acknowledged.count)
    if let failure { failed(failure) }
    if let waited = sender.waited(at: .now), waited > patience {
      let trouble = sender.brokerTrouble
      events.receiptsWait(
        waiting, error: .string(trouble?.name ?? "_TIMED_OUT"), trouble?.description ?? "the broker does not answer")
    }
    try? handOver(isIdle)
  }

  /// The receipts that the broker does not have yet.
  private var waiting: Int { outbox.count - outbox.removable }

  private func report(sent: Int) { events.receipts(sent: sent, waiting: waiting) }

  /// - Parameter isIdle: whether nothing was under way when the reports were taken.
  private func handOver(_ isIdle: Bool) throws {
    if isRepeating {
      // As long as receipts are under way, it is unknown which of them to repeat.
      guard isIdle, try outbox.removeAcknowledged() else { return }
      if sender.isDead {
        sender.close()
        sender = try ReceiptSender(settings, source: source, retryDelay: patience)
      }
      (last, isRepeating) = (0, false)
    }
    guard waiting > 0 else { return }
    if let error = sender.prepareTopic() { refused(error) }
    while sender.room > 0 {
      let rows = try outbox.rows(after: last, atMost: min(sender.room, Self.mostRows))
      guard !rows.isEmpty else { return }
      for row in rows {
        do {
          guard try sender.send(row) else { return }
        } catch {
          return failed(error)
        }
        last = row.id
      }
    }
  }

  /// A receipt is not sent. Sending it again at once, or creating the topic, fixes some causes.
  private func failed(_ error: any Error) {
    isRepeating = true
    if let error = error as? KafkaError, error.isUnproven || error.isTopicMissing { return }
    refused(error)
  }

  private func refused(_ error: any Error) {
    events.receiptsWait(waiting, error: .name(of: error), KafkaErrorFix.described(error))
  }

  /// The offset of each partition before which the broker has all receipts.
  var sentOffsets: [Int32: Int64] { outbox.sentOffsets }

  /// Hands new receipts to the sender. From time to time, also removes those that the broker has, and takes over those of
  /// consumers that are gone. To be called after each transaction, and at intervals while nothing else is to be done.
  func upkeep() {
    advance()
    let now = MonotonicClock.now
    guard now >= nextUpkeep || outbox.removable >= Self.mostRemovable else { return }
    let isDone = (try? outbox.removeAcknowledged() && outbox.adopt()) == true
    nextUpkeep = now + (isDone ? upkeepInterval : min(upkeepInterval, Self.upkeepRetry))
  }

  /// Waits a moment for the broker to acknowledge the remaining receipts, and stops sending.
  func finish() {
    let end = MonotonicClock.now + Self.endPatience
    advance()
    while waiting > 0, !sender.isRefused, MonotonicClock.now < end {
      sender.flush(timeout: .milliseconds(100))
      advance()
    }
    _ = try? outbox.removeAcknowledged()
    report(sent: 0)
    sender.close()
  }
}
