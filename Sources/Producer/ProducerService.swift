import Cluster
package import Configuration
import Kafka
package import Platform
import Synchronization
package import Telemetry
import Wire

/// Sends the images of a folder to a topic. One thread finds files, two read and send them, one writes the ledger and
/// one watches the topic. librdkafka has its own threads.
package final class ProducerService: Sendable {
  private let settings: ProducerSettings
  private let budget: (any SendBudget)?
  private let log: Log
  private let events: ProducerEvents
  private let stop: StopFlag

  private static let senders = 2
  /// The most candidates that wait for a sender. Candidates hold names, not the bytes of files.
  private static let queued = 512
  /// How long to wait for acknowledgements after `stop`: less than the 10 s after which Docker kills the container.
  private static let graceMilliseconds = 4_000
  /// How long the topic is compared with what was sent to it, at the start and at the end of a run, in ms.
  private static let comparingMilliseconds = 5_000
  private static let finishingMilliseconds = 1_000
  /// The wait before a new client replaces one that has given up, in ms: the first wait and the longest.
  private static let restartMilliseconds = 1_000...60_000
  /// How often to look for files that the broker refused and that are gone, in ms.
  private static let reviewMilliseconds: Int64 = 10_000
  /// If nothing waits to be sent, a client has to run this long before the fatal error of an earlier client counts as
  /// over, in ms.
  private static let calmMilliseconds: Int64 = 15_000

  /// - Parameter budget: limits what is sent and not yet done with; nil: a limit of `settings.inFlightBytes`.
  package init(
    _ settings: ProducerSettings, budget: (any SendBudget)? = nil, log: Log, events: ProducerEvents, stop: StopFlag
  ) {
    self.settings = settings
    self.budget = budget
    self.log = log.with(component: "producer")
    self.events = events
    self.stop = stop
  }

  /// Runs until `stop` is set. With `once`, also returns when every existing file is sent.
  /// - Throws: errors that waiting does not fix: a folder that cannot be used, a right that is missing at the start
  ///   and, with `once`, a fatal error of the client.
  package func run() throws {
    var settings = try resolved(self.settings)
    var delay = Self.restartMilliseconds.lowerBound
    var isSending = false
    while true {
      let begun = Clock.monotonicMilliseconds
      do { return try serve(settings, &isSending) } catch is InputFolder.Moved {
        settings = try resolved(self.settings)
        settings.resend = false
        log.info(
          "IMAGES_DIR leads to another folder now, which is sent from here on", ["input": .string(settings.input)])
      } catch let error as ClusterChanged {
        log.warning("\(error): what is in the folder and was not sent there is sent now")
        settings.resend = false
      } catch let error as KafkaError where isSending && !settings.once {
        // After a topic is re-created or a right is withdrawn for a while, librdkafka gives up. A new client does not.
        if Clock.monotonicMilliseconds - begun > Int64(Self.restartMilliseconds.upperBound) {
          delay = Self.restartMilliseconds.lowerBound
        }
        log.error(
          "the Kafka client has given up, a new one takes over: \(KafkaErrorFix.described(error))",
          ["wait_ms": .of(delay)])
        // The trouble lasts until a message is acknowledged, or until nothing has to be sent (`calmMilliseconds`). A
        // new client that finds a broker is no success yet.
        events.health.trouble(.sending, "\(error)")
        guard !isStopped(withinMilliseconds: delay) else { return }
        delay = min(2 * delay, Self.restartMilliseconds.upperBound)
        settings.resend = false
      }
    }
  }

  /// The settings with the folders that the input's path leads to now.
  private func resolved(_ named: ProducerSettings) throws -> ProducerSettings {
    var settings = named
    settings.input = try InputFolder.resolve(named.input)
    settings.namedInput = named.input
    if named.sentFolder == named.input + "/.sent" { settings.sentFolder = settings.input + "/.sent" }
    return settings
  }

  private func isStopped(withinMilliseconds milliseconds: Int) -> Bool {
    let end = Clock.monotonicMilliseconds + Int64(milliseconds)
    while Clock.monotonicMilliseconds < end {
      events.beat(waiting: 0, inFlight: 0)
      if stop.wait(milliseconds: 100) { return true }
    }
    return stop.isSet
  }

  /// Runs one client, from its creation until it is closed.
  /// - Parameter isSending: set to true when everything that sending needs is available.
  private func serve(_ settings: ProducerSettings, _ isSending: inout Bool) throws {
    let outbox = Outbox()
    let sender = Mutex<Sender?>(nil)
    // The sender retains the clients, and their report closures retain the sender. Without this, neither would ever be
    // freed.
    defer { sender.withLock { $0 = nil } }
    let clients = try SendingClients(settings.kafka, format: settings.format) { report, way in
      sender.withLock { $0 }?.report(report, by: way)
    }
    defer { clients.close() }
    var connection = BrokerConnection(
      client: clients.main, servers: settings.kafka.values["bootstrap.servers"] ?? "", log: log, health: events.health)
    connection.patience = settings.patience
    guard
      let cluster = try settings.embeddedCluster ?? connection.clusterID(stop: stop),
      try connection.ensureTopic(settings.topic, as: settings.newTopic, stop: stop)
    else { return }
    if !isSending {
      connection.review(settings.topic, settings.newTopic, sending: SizeLimits.Sending(settings, largest: nil))
    }
    let ledger = try Ledger(
      in: settings.stateFolder, cluster: cluster, topic: settings.topic, input: settings.input)
    // `verify --resend` may send while a producer is running.
    let lock = settings.only == nil ? try ProducerLock(settings, cluster: cluster) : nil
    defer { withExtendedLifetime(lock) {} }
    if settings.resend { try ledger.forget() }
    if let only = settings.only { try ledger.remove(only.paths) }
    let sentTopic = SentTopic(settings, client: clients.main, ledger: ledger, events: events)
    try sentTopic.compare(withinMilliseconds: Self.comparingMilliseconds)
    let afterSent = AfterSent(action: settings.afterSent, input: settings.input, sentFolder: settings.sentFolder)
    try afterSent.check()
    // Belongs to this client: set when the run is to end, or when the client has failed.
    let ending = StopFlag()
    let writer = LedgerWriter(
      ledger: ledger, outbox: outbox, afterSent: afterSent, marks: { sentTopic.last }, events: events,
      stop: ending)
    let hold = SendingHold(endsRun: settings.once)
    let made = Sender(
      input: settings.input, topic: settings.topic, namePrefix: settings.namePrefix,
      segmentBytes: settings.segmentBytes, format: settings.format, clients: clients,
      budget: budget ?? InFlightBudget(limit: settings.inFlightBytes), hold: hold, outbox: outbox,
      sentTopic: sentTopic, writer: writer, events: events, stop: ending)
    sender.withLock { $0 = made }
    log.info(
      "sending",
      [
        "input": .string(settings.input), "topic": .string(settings.topic), "cluster": .string(cluster),
        "after_sent": .string(settings.afterSent.rawValue),
      ])
    isSending = true
    defer { events.ended() }
    let restorer =
      settings.embeddedCluster == nil
      ? TopicRestorer(connection, topic: settings.topic, wanted: settings.newTopic, cluster: cluster) : nil
    try runThreads(settings, outbox, ledger, writer, afterSent, made, clients, sentTopic, hold, restorer, ending)
  }

  /// Looks for a missing topic and has it created again. Returns true once it exists.
  private func restore(
    _ restorer: inout TopicRestorer?, _ hold: SendingHold, _ clients: SendingClients, _ settings: ProducerSettings
  ) throws -> Bool {
    guard hold.isTopicMissing else { return false }
    restorer?.noteMissing()
    return try restorer?.restore { try clients.lookAt(settings.topic, timeoutMilliseconds: TopicRestorer.patience) }
      ?? true
  }

  private func runThreads(
    _ settings: ProducerSettings, _ outbox: Outbox, _ ledger: Ledger, _ writer: LedgerWriter, _ afterSent: AfterSent,
    _ sender: Sender, _ clients: SendingClients, _ sentTopic: SentTopic, _ hold: SendingHold,
    _ restorer: TopicRestorer?, _ ending: StopFlag
  ) throws {
    var restorer = restorer
    let candidates = BoundedQueue<Candidate>(capacity: Self.queued)
    let isOver = StopFlag()
    let failure = Mutex<(any Error)?>(nil)
    let finding = BackgroundThread.start("find-files") { [events] in
      defer { isOver.set() }
      do {
        try FolderSource(
          settings, outbox: outbox, ledger: ledger, writer: writer, afterSent: afterSent, candidates: candidates,
          events: events, stop: ending
        ).run()
      } catch { failure.withLock { $0 = error } }
    }
    let sending = (1...Self.senders).map { number in
      BackgroundThread.start("send-\(number)") { sender.run(candidates) }
    }
    let writing = BackgroundThread.start("write-ledger") { writer.run() }
    let watching = BackgroundThread.start("watch-topic") { sentTopic.watch(until: ending) }
    var acknowledgements = AcknowledgementWatch()
    let begun = Clock.monotonicMilliseconds
    var nextReview = begun
    events.health.started()
    while !isOver.wait(milliseconds: 100) {
      if stop.isSet { ending.set() }
      events.beat(waiting: candidates.count, inFlight: outbox.inFlight)
      let isWaiting = outbox.inFlight > 0 || events.isWaiting
      let silence = acknowledgements.look(
        isWaiting: isWaiting, acknowledged: outbox.acknowledged, events.health
      ) { BrokerTrouble(clients.lastTrouble()) }
      let isCalm = !isWaiting && Clock.monotonicMilliseconds - begun > Self.calmMilliseconds
      // Files that the broker refused may have been removed in the meantime.
      if isCalm { _ = hold.end() }
      if hold.refusal == nil, isCalm || outbox.acknowledged > 0 { events.health.well(.sending) }
      if Clock.monotonicMilliseconds >= nextReview {
        nextReview = Clock.monotonicMilliseconds + Self.reviewMilliseconds
        events.review()
      }
      do {
        if settings.once, let patience = settings.patience, silence >= Int64(patience) {
          throw NoAcknowledgement(seconds: patience / 1_000, reason: BrokerTrouble(clients.lastTrouble())?.description)
        }
        if hold.endsRun, hold.refusal != nil { ending.set() }
        if try restore(&restorer, hold, clients, settings) { hold.topicIsThere() }
        if let fatal = clients.fatalError { throw fatal }
        // As long as nothing is sent, nothing else would notice that the ledger was removed or replaced.
        try ledger.checkPlace()
      } catch {
        failure.withLock { $0 = $0 ?? error }
        ending.set()
      }
      // The finder may be blocked by a full queue that no sender empties any more.
      if ending.isSet { candidates.close() }
    }
    candidates.close()
    for thread in sending { thread.join() }
    finding.join()
    let deadline = Clock.monotonicMilliseconds + Int64(Self.graceMilliseconds)
    while outbox.inFlight > 0, Clock.monotonicMilliseconds < deadline {
      clients.flush(timeoutMilliseconds: 100)
    }
    if outbox.inFlight > 0 {
      log.warning(
        "not acknowledged in time; the next run sends their images again", ["messages": .of(outbox.inFlight)])
    }
    ending.set()
    watching.join()
    if outbox.inFlight == 0 { sentTopic.finish(withinMilliseconds: Self.finishingMilliseconds) }
    clients.close()
    writer.close()
    writing.join()
    // Images that are given back because of a fatal error look like the end of a run.
    if let error = failure.withLock({ $0 }) ?? writer.failure.withLock({ $0 }) ?? clients.fatalError { throw error }
  }
}

/// The error of a run with `once` when the broker acknowledges nothing: such a run does not wait forever.
struct NoAcknowledgement: Error, CustomStringConvertible {
  let seconds: Int
  /// What keeps the client from a broker, if anything is known.
  let reason: String?
  var description: String {
    "no message was acknowledged for \(seconds) s\(reason.map { ": \($0)" } ?? ""); run it again once the broker answers"
  }
}
