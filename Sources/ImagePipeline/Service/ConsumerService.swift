import Kafka
import Platform
import Telemetry

/// Topic → folder: polls, stores batch by batch, commits. One thread does all of it; librdkafka fetches ahead on its own.
public final class ConsumerService: Sendable {
  private let settings: ConsumerSettings
  private let log: Log
  private let events: ConsumerEvents
  private let stop: StopFlag

  public init(_ settings: ConsumerSettings, log: Log, events: ConsumerEvents, stop: StopFlag) {
    self.settings = settings
    self.log = log.with(component: "consumer")
    self.events = events
    self.stop = stop
  }

  /// Runs until `stop` is set, or until `count` or `untilIdle` is reached.
  /// - Throws: what cannot be helped by waiting: an output that cannot be used, a fatal error of the client.
  public func run() throws {
    do {
      try run(
        ImageStore(
          outputPath: settings.outputPath, csvPath: settings.csvPath, topic: settings.topic,
          deadLetterSettings: settings.embeddedCluster == nil ? settings.kafka : nil, log: log, stop: stop))
    } catch is LockWait.Ended {}
  }

  private func run(_ store: ImageStore) throws {
    defer { store.letters.close() }
    var kafka = settings.kafka
    kafka.setDefault("group.instance.id", "\(store.catalog.id)-\(store.slot.number)")
    let consumer = try KafkaConsumer(kafka, topic: settings.topic)
    defer { consumer.unsubscribeAndClose() }
    let connection = BrokerConnection(
      client: consumer, servers: kafka.values["bootstrap.servers"] ?? "", log: log, health: events.health)
    guard
      let cluster = try settings.embeddedCluster ?? connection.clusterID(stop: stop),
      try connection.ensureTopic(settings.topic, partitions: settings.topicPartitions, stop: stop)
    else { return }
    log.info(
      "storing",
      [
        "topic": .string(settings.topic), "group": .string(kafka.values["group.id"] ?? ""),
        "output": .string(store.output.path), "csv": .string(settings.csvPath), "slot": .of(store.slot.number),
      ])
    let rereading = Rereader(settings.kafka)
    store.assembler.reread = rereading.read
    let reader = try TopicReader(
      consumer: consumer, catalog: store.catalog, cluster: cluster, topic: settings.topic, events: events, log: log)
    store.letters.whileWaiting = { [stop] in _ = reader.keepAlive(stop) }
    defer { store.letters.whileWaiting = {} }
    try consumer.subscribe()
    try loop(reader, store)
    reader.commitAndWait(timeoutMilliseconds: 5_000)
  }

  private func loop(_ reader: TopicReader, _ store: ImageStore) throws {
    var upkeep = ConsumerUpkeep(settings, events: events)
    while !stop.isSet {
      if let fatal = reader.fatalError { throw fatal }
      events.beat(waiting: reader.waiting.count)
      let left = settings.count.map { $0 - events.stored } ?? Int.max
      if left <= 0 { return }
      let room = min(settings.batchImages, left)
      let came = try reader.pump(
        maximum: min(room - reader.waiting.count, 32), timeoutMilliseconds: reader.waiting.isEmpty ? 200 : 10)
      if came { upkeep.somethingCame() }
      if reader.isDue(room: room, bytes: settings.batchBytes, quiet: !came) {
        try storeWaiting(of: reader, in: store, room: room)
      }
      if reader.waiting.isEmpty, upkeep.isRunOver(reader, store) { return }
    }
  }

  /// Stores what waits. What the system is at fault for is tried again until it works or the run ends.
  private func storeWaiting(of reader: TopicReader, in store: ImageStore, room: Int) throws {
    let batch = reader.takeBatch(room: room)
    let begun = Clock.monotonicMilliseconds
    var delay = 500
    defer { reader.resume() }
    while true {
      let outcome: ImageStore.Outcome
      do { outcome = try store.store(batch, whileWaiting: { reader.keepAlive(stop) }) } catch {
        events.storingFailed(error, retryMilliseconds: delay)
        let again = Clock.monotonicMilliseconds + Int64(delay)
        while Clock.monotonicMilliseconds < again {
          guard reader.keepAlive(stop) else { return }
        }
        delay = min(delay * 2, 30_000)
        continue
      }
      switch outcome {
      case .givenUp: return
      case .fenced:
        log.info("another consumer has stored some of these messages: going on where it is")
        return try reader.reload()
      case .stored(let stored):
        reader.committed(stored.positions)
        for (partition, position) in stored.positions { settings.onStored?(partition, position.next) }
        return events.stored(stored, since: begun)
      }
    }
  }
}
