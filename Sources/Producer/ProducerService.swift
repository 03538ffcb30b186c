import Cluster
package import Configuration
import Kafka
package import Platform
package import Telemetry
import Wire

/// Sends the images of a folder to a topic, with new Kafka clients if the old ones have given up.
package final class ProducerService: Sendable {
  private let settings: ProducerSettings
  private let budget: (any SendBudget)?
  private let log: Log
  private let events: ProducerEvents
  private let stop: StopFlag

  /// How long the topic is compared with what was sent to it before.
  private static let comparingTime = Duration.seconds(5)
  /// How long a question about the topic of receipts waits for its answer.
  private static let answerTimeout = Duration.seconds(5)
  /// The longest wait before a new client replaces one that has given up. A client that ran for longer was well.
  private static let longestRestart = Duration.seconds(60)
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
    var backoff = Backoff(from: .seconds(1), to: Self.longestRestart)
    var isSending = false
    while true {
      let begun = MonotonicClock.now
      do { return try serve(settings, &isSending) } catch is InputFolder.Moved {
        settings = try resolved(self.settings)
        settings.resend = false
        log.info(
          event: "input_moved", "IMAGES_DIR leads to another folder now; continuing with that one",
          ["input": .string(settings.input)])
      } catch let error as ClusterChanged {
        log.warning(
          event: "cluster_changed", "\(error); sending it all images that it has not received yet",
          ["error": .name(of: error)])
        settings.resend = false
      } catch let error as KafkaError where isSending && !settings.once {
        // After a topic is re-created or a right is withdrawn for a while, librdkafka gives up. A new client does not.
        if .now - begun > Self.longestRestart { backoff.succeeded() }
        let delay = backoff.failed()
        log.error(
          event: "client_replaced",
          "the Kafka client has given up; a new one takes over: \(KafkaErrorFix.described(error))",
          ["error": .name(of: error), "retry_ms": .of(delay.inMilliseconds)])
        // The trouble lasts until a message is acknowledged, or until nothing has to be sent for a while. A
        // new client that finds a broker is no success yet.
        events.health.trouble(.sending, "\(error)")
        guard !waitForStop(delay) else { return }
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

  private func waitForStop(_ duration: Duration) -> Bool {
    let end = MonotonicClock.now + duration
    while MonotonicClock.now < end {
      events.beat(waiting: 0, inFlight: 0)
      if stop.wait(for: .milliseconds(100)) { return true }
    }
    return stop.isSet
  }

  /// Sends with one set of clients, until they are closed.
  /// - Parameter isSending: set to true when everything that sending needs is available.
  private func serve(_ settings: ProducerSettings, _ isSending: inout Bool) throws {
    // It answers the questions of the start, and sends afterwards.
    let client = try KafkaProducer(SendingClients.settingsOfMain(settings.kafka, format: settings.format))
    defer { client.close() }
    var connection = BrokerConnection(
      client: client, servers: settings.kafka.values["bootstrap.servers"] ?? "", log: log, health: events.health)
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
    let sentTopic = SentTopic(settings, client: client, ledger: ledger, events: events)
    try sentTopic.compare(within: Self.comparingTime)
    let session = ProducerSession(settings, ledger: ledger, budget: budget, events: events) { sentTopic.last }
    if session.readsReceipts {
      try ledger.setReceiptsNeeded(settings.receiptsNeeded)
      try skipOldReceipts(settings, ledger, client)
    }
    try session.afterSent.check()
    let restorer =
      settings.embeddedCluster == nil
      ? TopicRestorer(connection, topic: settings.topic, wanted: settings.newTopic, cluster: cluster) : nil
    var run = ProducerRun(session, client, sentTopic: sentTopic, restorer: restorer, log: log, stop: stop)
    log.info(
      event: "producer_started", "sending",
      [
        "input": .string(settings.input), "topic": .string(settings.topic), "cluster": .string(cluster),
        "after_sent": .string(settings.afterSent.rawValue),
      ])
    isSending = true
    defer { events.ended() }
    try run.run()
  }

  /// Lets a ledger without waiting images skip the existing receipts. They are about other images, perhaps with the same
  /// names and offsets in an earlier topic.
  private func skipOldReceipts(_ settings: ProducerSettings, _ ledger: Ledger, _ client: KafkaProducer) throws {
    guard try settings.resend || ledger.receiptPositions().isEmpty && !ledger.isWaiting() else { return }
    let topic = ReceiptsTopic.name(of: settings.topic)
    var ends: [Int32: Int64] = [:]
    do throws(KafkaError) {
      for partition in 0..<Int32(try client.partitionCount(of: topic, timeout: Self.answerTimeout) ?? 0) {
        ends[partition] = try client.watermarks(of: topic, partition: partition, timeout: Self.answerTimeout).high
      }
    } catch {
      // The reader reports it if this user may not read the topic.
      return
    }
    try ledger.setReceiptPositions(ends)
  }
}
