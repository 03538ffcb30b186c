import Cluster
package import Configuration
import DeadLetters
import Kafka
import Output
package import Platform
import S3
package import Telemetry
import Wire

/// Topic → folder: joins the group, stores what arrives until the run ends, and joins again when that is needed.
package final class ConsumerService: Sendable {
  private let settings: ConsumerSettings
  private let log: Log
  private let events: ConsumerEvents
  private let stop: StopFlag

  /// librdkafka 2.0.2 may never join again if its commits fail while its partitions are revoked, for example when a
  /// broker crashes. A new client takes over after this many session timeouts without an assignment.
  private static let sessionsWithoutAssignment = 6

  package init(_ settings: ConsumerSettings, log: Log, events: ConsumerEvents, stop: StopFlag) {
    self.settings = settings
    self.log = log.with(component: "consumer")
    self.events = events
    self.stop = stop
  }

  /// Runs until `stop` is set, or until `count` or `untilIdle` is reached.
  /// - Throws: errors that waiting does not fix, such as an output that cannot be used or a fatal error of the client.
  package func run() throws {
    do { try serve() } catch is LockWait.Ended {} catch {
      let catalog = "\(settings.outputPath)/\(ImageName.reserved)/\(Catalog.fileName)"
      throw CatalogError(behind: error, path: catalog) ?? error
    }
  }

  private func serve() throws {
    guard let output = try open() else { return }
    defer { output.close() }
    var isFirst = true
    var fences = FenceWatch()
    var instance = ""
    while true {
      do { return try join(output, isFirst: isFirst, &instance) } catch {
        let isFenced = (error as? KafkaError).map { $0.isFatal && $0.isFenced } ?? false
        switch error {
        case is ClusterChanged:
          log.warning(event: "cluster_changed", "\(error); joining the group there", ["error": .name(of: error)])
        case is NoAssignment: log.warning(event: "group_unanswered", "\(error)", ["error": .name(of: error)])
        case let error as S3Error where error.disposition.mayPass:
          events.bucketUnavailable(error, retryIn: FenceWatch.firstDelay)
        case _ where isFenced:
          log.warning(
            event: "consumer_fenced",
            "the group has fenced this consumer; joining again: \(KafkaErrorFix.described(error))",
            ["error": .name(of: error)])
        default: throw error
        }
        var delay = FenceWatch.firstDelay
        if isFenced {
          let fence = fences.fenced(at: MonotonicClock.now)
          delay = fence.delay
          let holder = fence.isRepeated ? GroupCensus.holder(of: instance, settings.kafka, topic: settings.topic) : nil
          events.fenced(
            isRepeated: fence.isRepeated, holder: holder, output: (output.store.place.path, output.positions.id),
            delay: delay)
        }
        guard !stop.wait(for: delay) else { return }
        isFirst = false
      }
    }
  }

  /// - Returns: nil if `stop` was set first.
  private func open() throws -> OpenOutput? {
    if let bucket = settings.bucket { return try OpenOutput(bucket, settings, log: log, events: events, stop: stop) }
    return try OpenOutput(folder: settings, log: log, events: events, stop: stop)
  }

  /// One membership of the group, from joining to leaving.
  /// - Parameter instance: set to the consumer's `group.instance.id`.
  private func join(_ output: OpenOutput, isFirst: Bool, _ instance: inout String) throws {
    let store = output.store
    var kafka = settings.kafka
    // This client only asks questions. It joins no group.
    let client = try KafkaConsumer(kafka, topic: settings.topic)
    defer { client.unsubscribeAndClose() }
    let connection = BrokerConnection(
      client: client, servers: kafka.values["bootstrap.servers"] ?? "", log: log, health: events.health)
    guard
      let cluster = try settings.embeddedCluster ?? connection.clusterID(stop: stop),
      try connection.ensureTopic(settings.topic, as: settings.newTopic, stop: stop)
    else { return }
    if isFirst { connection.review(settings.topic, settings.newTopic) }
    let partitions = try connection.partitionCount(of: settings.topic, stop: stop) ?? 0
    // Consumers of a bucket have no slots, and nothing on their hosts that would make one of them return.
    if output.bucket == nil {
      // The id includes the number of partitions. A member that returns under its old id gets its old assignment back,
      // and nobody looks at the topic, which may have other partitions by now.
      let own = ConsumerInstance(output: store.catalog.id, slot: store.slot.number, partitions: partitions)
      kafka.setDefault("group.instance.id", own.id)
    }
    instance = kafka.values["group.instance.id"] ?? ""
    let consumer = try KafkaConsumer(kafka, topic: settings.topic)
    defer { consumer.unsubscribeAndClose() }
    log.info(
      event: "consumer_started", "storing",
      [
        "topic": .string(settings.topic), "group": .string(kafka.values["group.id"] ?? ""),
        "output": .string(store.place.path), "csv": output.bucket == nil ? .string(settings.csvPath) : .absent,
        "slot": output.bucket == nil ? .of(store.slot.number) : .absent,
      ])
    let rereading = Rereader(settings.kafka)
    store.assembler.reread = { try rereading.read(topic: $0, partition: $1, offset: $2) }
    // An embedded broker's topic lasts as long as the broker.
    let isLasting = settings.embeddedCluster != nil
    let driver = try SessionDriver(
      consumer: consumer, positions: output.positions, cluster: cluster, topic: settings.topic,
      rereader: isLasting ? nil : rereading, events: events, log: log)
    if !isLasting {
      if output.bucket == nil {
        driver.census = GroupCensus(
          kafka, topic: settings.topic, output: store.catalog.id, slot: store.slot, events: events)
      }
      driver.restorer = TopicRestorer(
        BrokerConnection(client: consumer, servers: connection.servers, log: log, health: events.health),
        topic: settings.topic, wanted: settings.newTopic, cluster: cluster)
    }
    defer { driver.census?.end() }
    store.letters.whileWaiting = { [stop] in driver.keepAlive(stop) }
    defer { store.letters.whileWaiting = { true } }
    if isFirst, settings.fromBeginning {
      try store.readAgain(settings.topic, driver.session.topic)
      log.info(
        event: "reading_from_beginning", "reading the topic again from its beginning",
        ["topic": .string(settings.topic)])
    }
    guard try RebuiltCatalog.bind(store.catalog, driver.session.topic, settings.topic, rereading, connection, stop)
    else {
      return
    }
    try store.catalog.prunePast()
    // Before the group counts on this consumer: the catalog's lock may have to be waited for.
    let receipts = try receiptFeed(of: output, driver.session.topic)
    let recovery = SegmentRecovery(kafka: settings.kafka, store: store)
    output.bucket?.state.restore = { [events] in
      try recovery.run($0, $1, $2, $3) { events.beat(waiting: 0) }
    }
    output.bucket?.state.resend = store.outbox.map { outbox in { _ = try outbox.add($0) } }
    defer {
      receipts?.finish()
      store.outbox = nil
      output.bucket?.state.resend = nil
      output.bucket?.state.restore = { _, _, _, _ in }
    }
    client.unsubscribeAndClose()
    // An embedded broker serves this consumer alone. It would make the first member of a group wait for 3 s.
    if isLasting { try driver.readAll(partitions: partitions) } else { try driver.subscribe() }
    let session = Duration.milliseconds(Int(kafka.values["session.timeout.ms"] ?? "") ?? 10_000)
    try BatchPipeline(driver, store, settings, receipts: receipts, log: log, events: events, stop: stop)
      .run(patience: session * Self.sessionsWithoutAssignment)
    driver.commitAndWait(timeout: .seconds(5))
  }
}

extension ConsumerService {
  /// - Returns: nil if there are no receipts.
  private func receiptFeed(of output: OpenOutput, _ topic: Catalog.Topic) throws -> ReceiptFeed? {
    let store = output.store
    let sends = settings.receipts && settings.embeddedCluster == nil
    try ReceiptOutbox.giveUp(in: store.slot, allBut: sends ? topic : nil, store.catalog)
    guard sends else { return nil }
    let outbox = try ReceiptOutbox(
      store.catalog, topic, settings.topic, slot: store.slot, notesSent: output.bucket != nil)
    store.outbox = outbox
    return try ReceiptFeed(outbox, settings.kafka, source: settings.topic, events: events)
  }
}

/// The group has assigned nothing to the client for too long, not even an empty set of partitions.
struct NoAssignment: Error, CustomStringConvertible {
  let waited: Duration
  var description: String {
    "the group has not answered this consumer for \(waited.components.seconds) s; joining again with a new client. If this "
      + "repeats, look at the log of the group's coordinator"
  }
}
