import Configuration
import Consumer
import Glibc
import Kafka
import Platform
import Producer
import Telemetry

/// Producer and consumer in one process, on librdkafka's embedded broker and with real files: a trial without Kafka.
final class Demo: Sendable {
  private let configuration: Configuration
  // The broker and the messages sent to it end with this process, so the ledger is temporary, too.
  private let state: TemporaryFolder
  private let producerEvents: ProducerEvents
  private let consumerEvents: ConsumerEvents
  /// Their metrics, if somebody wants to watch them.
  private let servers: [StatusServer]
  private let log: Log
  private let stop: StopFlag
  private static let partitions = 4

  struct Result: Sendable {
    let producer: ProducerEvents.Counts
    let consumer: ConsumerEvents.Counts
    /// From the start of the producer to the last stored image.
    let duration: Duration
  }

  /// - Parameters:
  ///   - configuration: its input, output and CSV path are used. Its servers are not.
  ///   - servesMetrics: whether both sides serve their metrics to this machine. `page` names their ports.
  init(_ configuration: Configuration, servesMetrics: Bool = false, log: Log, stop: StopFlag) throws {
    self.configuration = configuration
    state = try TemporaryFolder()
    self.log = log
    self.stop = stop
    let (producing, consuming) = (Health(), Health())
    let producerEvents = ProducerEvents(log: log, input: configuration.producer.input, health: producing)
    let consumerEvents = ConsumerEvents(log: log, health: consuming)
    let address = servesMetrics ? HTTPSettings(address: "127.0.0.1", port: 0) : nil
    servers = [
      StatusServer(
        address, health: producing, log: log, refused: { producerEvents.refusedFiles },
        metrics: { producerEvents.addMetrics(to: &$0, disks: []) }),
      StatusServer(address, health: consuming, log: log) { consumerEvents.addMetrics(to: &$0, disks: []) },
    ].compactMap { $0 }
    (self.producerEvents, self.consumerEvents) = (producerEvents, consumerEvents)
  }

  /// What the page shows: the output, the ledger and the sides of this demo.
  var shown: Configuration {
    var shown = configuration
    (shown.page.output, shown.page.input) = (configuration.consumer.outputPath, configuration.producer.input)
    shown.page.sides = servers.map { TCPProbe.Address(host: "127.0.0.1", port: $0.port) }
    shown.producer.stateFolder = state.path
    // There are no receipts.
    shown.producer.receiptsNeeded = 0
    return shown
  }

  /// Ends when everything in the input has been sent and stored.
  /// - Parameter following: called at that point; then the input is followed until the demo is stopped. nil: it is not.
  /// - Throws: any error that stops either side.
  func run(following: ((Result) throws -> Void)? = nil) throws -> Result {
    defer {
      for server in servers { server.stop() }
      state.remove()
    }
    let cluster = try EmbeddedCluster()
    try cluster.createTopic(configuration.producer.topic, partitions: Self.partitions)
    let identity = "embedded-" + String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16)
    let budget = UnstoredBudget()

    var consumerSettings = configuration.consumer
    consumerSettings.kafka.set("bootstrap.servers", cluster.bootstrapServers)
    // The embedded broker does not support `false`, and each client would log a complaint about that.
    consumerSettings.kafka.set("allow.auto.create.topics", "true")
    // The embedded broker holds a fetch back for all of this time, even if messages arrive.
    consumerSettings.kafka.set("fetch.wait.max.ms", "10")
    consumerSettings.embeddedCluster = identity
    consumerSettings.onStored = { budget.stored($0, next: $1) }
    var producerSettings = configuration.producer
    producerSettings.kafka.set("bootstrap.servers", cluster.bootstrapServers)
    // Only a few MB are in flight, so waiting for more messages gains nothing.
    producerSettings.kafka.set("linger.ms", "2")
    producerSettings.kafka.set("allow.auto.create.topics", "true")
    producerSettings.stateFolder = state.path
    producerSettings.once = true
    // The input stays as it is: the output is compared with it.
    producerSettings.afterSent = .keep
    producerSettings.embeddedCluster = identity

    let consumerStop = StopFlag()
    let (producerEvents, consumerEvents) = (producerEvents, consumerEvents)
    let consumer = ConsumerService(consumerSettings, log: log, events: consumerEvents, stop: consumerStop)
    let producer = ProducerService(
      producerSettings, budget: budget, log: log, events: producerEvents, stop: stop)
    let progress = Progress(log: log, interval: configuration.progressInterval) {
      let (sent, stored) = (producerEvents.now, consumerEvents.now)
      let done = stored.images + stored.unchanged
      return Progress.State(
        verb: "stored", images: stored.images, bytes: stored.bytes, left: max(0, sent.found - sent.refused - done))
    }
    var duration = Duration.zero
    func result() -> Result {
      Result(producer: producerEvents.now, consumer: consumerEvents.now, duration: duration)
    }
    try withThreads(stop: stop) { threads in
      defer { consumerStop.set() }
      threads.start("consumer") {
        defer { consumerEvents.ready.set() }
        try consumer.run()
      }
      try progress.during {
        // Messages sent before the consumer has its partitions would only wait.
        while !consumerEvents.ready.wait(for: .milliseconds(100)), !stop.isSet {}
        let begun = MonotonicClock.now
        try producer.run()
        while !budget.isEmpty, !stop.isSet { _ = stop.wait(for: .milliseconds(10)) }
        duration = .now - begun
      }
      if let following, !stop.isSet {
        try following(result())
        producerSettings.once = false
        try ProducerService(producerSettings, budget: budget, log: log, events: producerEvents, stop: stop).run()
      }
    }
    return result()
  }
}
