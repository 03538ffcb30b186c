import Cluster
import Configuration
import Kafka
import Platform
import Telemetry
import Wire

/// The threads of a session. One finds files, two read and send them, one writes the ledger, one watches the topic and
/// one reads receipts; the caller's supervises them. librdkafka has its own threads.
struct ProducerRun {
  private let session: ProducerSession
  private let clients: SendingClients
  private let sender: Sender
  private let sentTopic: SentTopic
  private var restorer: TopicRestorer?
  private let log: Log
  private let stop: StopFlag
  private let candidates = BoundedQueue<Candidate>(capacity: Self.queued)
  private let begun = MonotonicClock.now
  private var acknowledgements = AcknowledgementWatch()
  private var nextReview = MonotonicClock.now
  private var events: ProducerEvents { session.events }
  private var outbox: Outbox { session.outbox }

  private static let senders = 2
  /// The most candidates that wait for a sender. Candidates hold names, not the bytes of files.
  private static let queued = 512
  /// How long to wait for acknowledgements after `stop`: less than the 10 s after which Docker kills the container.
  private static let grace = Duration.seconds(4)
  /// How long the topic is compared with what was sent to it, at the end of a run.
  private static let finishingTime = Duration.seconds(1)
  /// How often to look for files that the broker refused and that are gone.
  private static let reviewInterval = Duration.seconds(10)
  /// If nothing waits to be sent, a client has to run this long before the fatal error of an earlier client counts as
  /// over.
  private static let calmTime = Duration.seconds(15)

  /// - Parameters:
  ///   - client: see `SendingClients.main`.
  ///   - restorer: nil if the topic cannot be re-created.
  ///   - stop: set when the run is to end.
  init(
    _ session: ProducerSession, _ client: KafkaProducer, sentTopic: SentTopic, restorer: TopicRestorer?, log: Log,
    stop: StopFlag
  ) {
    self.session = session
    self.sentTopic = sentTopic
    self.restorer = restorer
    self.log = log
    self.stop = stop
    let deliveries = DeliveryHandler(session, sentTopic: sentTopic)
    clients = SendingClients(
      client, session.settings.kafka, format: session.settings.format, report: deliveries.handle)
    sender = Sender(session, clients: clients, deliveries: deliveries)
  }

  /// Sends until `stop` is set. With `once`, also returns when every existing file is sent.
  mutating func run() throws {
    defer { if session.readsReceipts { countWaiting() } }
    try withThreads(stop: session.ending) { threads in
      threads.start("write-ledger") { [session] in try session.writer.run() }
      // The last statement comes first. Unfinished messages are reported while the clients are closed, so the writer ends
      // after them.
      defer { session.writer.close() }
      defer { clients.close() }
      defer { if outbox.inFlight == 0 { sentTopic.finish(within: Self.finishingTime) } }
      try withThreads(stop: session.ending) { threads in
        threads.start("watch-topic") { [sentTopic, session] in
          sentTopic.watch(until: session.ending, session.receiptStatus)
        }
        if session.readsReceipts {
          threads.start("read-receipts") { [session] in try ReceiptReader(session).run() }
        }
        defer { session.ending.set() }
        defer { awaitAcknowledgements() }
        try sendFiles()
      }
      // Images that are given back because of a fatal error look like the end of a run.
      if let fatal = clients.fatalError { throw fatal }
    }
  }

  private mutating func sendFiles() throws {
    let isOver = StopFlag()
    try withThreads(stop: session.ending) { threads in
      // Ends the senders, and a finder that is blocked by a full queue.
      defer { candidates.close() }
      threads.start("find-files") { [session, candidates] in
        defer { isOver.set() }
        try FolderSource(session, candidates: candidates).run()
      }
      for number in 1...Self.senders {
        threads.start("send-\(number)") { [sender, candidates] in sender.run(candidates) }
      }
      events.health.started()
      while !isOver.wait(for: .milliseconds(100)), !session.ending.isSet {
        if stop.isSet { session.ending.set() }
        try supervise()
      }
    }
  }

  /// Looks after what no other thread notices.
  private mutating func supervise() throws {
    events.beat(waiting: candidates.count, inFlight: outbox.inFlight)
    let isWaiting = outbox.inFlight > 0 || events.isWaiting
    let silence = acknowledgements.look(
      isWaiting: isWaiting, acknowledged: outbox.acknowledged, events.health
    ) { [clients] in BrokerTrouble(clients.lastTrouble()) }
    if session.settings.once, let patience = session.settings.patience, silence >= patience {
      throw NoAcknowledgement(
        seconds: Int(patience.components.seconds), reason: BrokerTrouble(clients.lastTrouble())?.description)
    }
    let isCalm = !isWaiting && MonotonicClock.now - begun > Self.calmTime
    // Files that the broker refused may have been removed in the meantime.
    if isCalm { _ = session.hold.end() }
    let isRefused = session.hold.refusal != nil
    if !isRefused, isCalm || outbox.acknowledged > 0 { events.health.well(.sending) }
    if isRefused, session.hold.endsRun { session.ending.set() }
    if MonotonicClock.now >= nextReview {
      nextReview = MonotonicClock.now + Self.reviewInterval
      events.review()
    }
    try restoreTopic()
    if let fatal = clients.fatalError { throw fatal }
    // As long as nothing is sent, nothing else would notice that the ledger was removed or replaced.
    try session.ledger.checkPlace()
  }

  /// Looks for a missing topic, and has it created again.
  private mutating func restoreTopic() throws {
    guard session.hold.isTopicMissing else { return }
    restorer?.noteMissing()
    let (clients, topic) = (clients, session.settings.topic)
    let isThere =
      try restorer?.restore { try clients.lookAt(topic, timeout: TopicRestorer.patience) } ?? true
    if isThere { session.hold.topicIsThere() }
  }

  /// Counts the images that wait for receipts, and with `untilStored` those that never will be stored, for the summary.
  private func countWaiting() {
    guard let waiting = try? session.ledger.waiting() else { return }
    events.receipts.waiting(waiting.count, oldest: waiting.oldest, isNeeded: false)
    guard session.settings.untilStored else { return }
    let input = session.settings.input
    let refused = (try? session.ledger.paths(.deadLetter, limit: .max)) ?? []
    let lost = (try? session.ledger.paths(.lost, limit: .max)) ?? []
    events.receipts.finished(
      unstored: lost.count + refused.count { ((try? FileStatus.of(input + "/" + $0)) ?? nil) != nil })
  }

  private func awaitAcknowledgements() {
    let deadline = Deadline(in: Self.grace)
    while outbox.inFlight > 0, !deadline.hasPassed {
      clients.flush(timeout: .milliseconds(100))
    }
    guard outbox.inFlight > 0 else { return }
    log.warning(
      event: "messages_unacknowledged",
      "messages were not acknowledged in time; the next run sends their images again",
      ["messages": .of(outbox.inFlight)])
  }
}

/// The error of a run with `once` when the broker acknowledges nothing: such a run does not wait forever.
struct NoAcknowledgement: Error, CustomStringConvertible {
  let seconds: Int
  /// What keeps the client from a broker, if anything is known.
  let reason: String?
  var description: String {
    "no message was acknowledged for \(seconds) s\(reason.map { ": \($0)" } ?? ""); run the command again when the broker answers"
  }
}
