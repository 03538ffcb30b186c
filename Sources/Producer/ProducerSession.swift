import Configuration
import Platform
import Wire

/// What the threads of a producer share while one set of Kafka clients lasts.
final class ProducerSession: Sendable {
  let settings: ProducerSettings
  let ledger: Ledger
  let outbox = Outbox()
  let hold: SendingHold
  let budget: any SendBudget
  let afterSent: AfterSent
  let writer: LedgerWriter
  let events: ProducerEvents
  let receiptStatus = ReceiptStatus()
  /// Whether receipts are read, and what was lost is sent again.
  let readsReceipts: Bool
  /// Set when the threads are to end: the run is over, or one of them has failed.
  let ending = StopFlag()

  /// - Parameters:
  ///   - budget: nil: a limit of `settings.inFlightBytes`.
  ///   - marks: the last acknowledged message of each partition.
  init(
    _ settings: ProducerSettings, ledger: Ledger, budget: (any SendBudget)? = nil, events: ProducerEvents,
    marks: @escaping @Sendable () -> [Int32: MessageMark] = { [:] }
  ) {
    self.settings = settings
    self.ledger = ledger
    self.budget = budget ?? InFlightBudget(limit: settings.inFlightBytes)
    self.events = events
    // A run for single files leaves the rest to another producer. An embedded cluster ends with the process.
    readsReceipts = settings.receiptsNeeded > 0 && settings.only == nil && settings.embeddedCluster == nil
    hold = SendingHold(endsRun: settings.once)
    afterSent = AfterSent(action: settings.afterSent, input: settings.input, sentFolder: settings.sentFolder)
    writer = LedgerWriter(
      ledger: ledger, outbox: outbox, afterSent: afterSent, marks: marks,
      receiptsNeeded: readsReceipts ? settings.receiptsNeeded : 0, events: events, stop: ending)
  }

  /// Whether the image of a line need not be sent again.
  func isSent(_ line: Ledger.Line) -> Bool {
    switch line.state {
    case .waiting, .confirmed, .deadLetter: true
    case .lost, .gone: false
    // The offset of its message is unknown, so no receipt can confirm it. Sent again, it is confirmed as unchanged.
    case .unknown: !readsReceipts || settings.afterSent == .keep
    }
  }

  /// Whether the file of a line may be moved or deleted.
  func mayLeave(_ line: Ledger.Line) -> Bool {
    settings.afterSent != .keep && isSent(line) && line.state != .deadLetter
      && (!readsReceipts || line.outputs.nonzeroBitCount >= settings.receiptsNeeded)
  }
}
