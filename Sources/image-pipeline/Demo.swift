import Configuration
import Consumer
import Glibc
import Kafka
import Platform
import Producer
import Telemetry

/// Producer and consumer in one process, on librdkafka's embedded broker and with real files: a trial without Kafka. It
/// ends when everything in the input has been sent and stored.
final class Demo: Sendable {
  private let configuration: Configuration
  private let log: Log
  private let stop: StopFlag
  private static let partitions = 4

  struct Result: Sendable {
    let producer: ProducerEvents.Counts
    let consumer: ConsumerEvents.Counts
    /// From the start of the producer to the last stored image.
    let duration: Duration
  }

  /// - Parameter configuration: its input, output and CSV path are used. Its servers are not.
  init(_ configuration: Configuration, log: Log, stop: StopFlag) {
    self.configuration = configuration
    self.log = log
    self.stop = stop
  }

  /// - Throws: any error that stops either side.
  func run() throws -> Result {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic(configuration.producer.topic, partitions: Self.partitions)
    // The broker and the messages sent to it end with this process, so the ledger is temporary, too.
    let state = try TemporaryFolder()
    defer { state.remove() }
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

    let producerEvents = ProducerEvents(log: log, input: producerSettings.input)
    let consumerEvents = ConsumerEvents(log: log)
    let consumerStop = StopFlag()
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
    }
    return Result(producer: producerEvents.now, consumer: consumerEvents.now, duration: duration)
  }
}
