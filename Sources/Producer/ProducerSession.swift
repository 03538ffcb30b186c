import Configuration
import Platform
import Wire

/// What the threads of a producer share while one set of Kafka clients lasts.
struct ProducerSession: Sendable {
  let settings: ProducerSettings
  let ledger: Ledger
  let outbox = Outbox()
  let hold: SendingHold
  let budget: any SendBudget
  let afterSent: AfterSent
  let writer: LedgerWriter
  let events: ProducerEvents
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
    hold = SendingHold(endsRun: settings.once)
    afterSent = AfterSent(action: settings.afterSent, input: settings.input, sentFolder: settings.sentFolder)
    writer = LedgerWriter(
      ledger: ledger, outbox: outbox, afterSent: afterSent, marks: marks, events: events, stop: ending)
  }
}
