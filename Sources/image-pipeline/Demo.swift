import Configuration
import Consumer
import Glibc
import Kafka
import Platform
import Producer
import Synchronization
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
    let milliseconds: Int
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
    let failure = Mutex<(any Error)?>(nil)
    let consumer = ConsumerService(consumerSettings, log: log, events: consumerEvents, stop: consumerStop)
    let producer = ProducerService(
      producerSettings, budget: budget, log: log, events: producerEvents, stop: stop)
    let consuming = BackgroundThread.start("consumer") { [stop] in
      do { try consumer.run() } catch {
        failure.withLock { $0 = error }
        stop.set()
      }
      consumerEvents.ready.set()
    }
    let progress = Progress(log: log, interval: configuration.progressMilliseconds) {
      let (sent, stored) = (producerEvents.now, consumerEvents.now)
      let done = stored.images + stored.unchanged
      return Progress.State(
        verb: "stored", images: stored.images, bytes: stored.bytes, left: max(0, sent.found - sent.refused - done))
    }
    var begun = Clock.monotonicMilliseconds
    var sending: (any Error)?
    progress.during {
      // Messages sent before the consumer has its partitions would only wait.
      while !consumerEvents.ready.wait(milliseconds: 100), !stop.isSet {}
      begun = Clock.monotonicMilliseconds
      do { try producer.run() } catch { sending = error }
      while !budget.isEmpty, !stop.isSet, sending == nil { _ = stop.wait(milliseconds: 10) }
    }
    let milliseconds = Int(Clock.monotonicMilliseconds - begun)
    consumerStop.set()
    consuming.join()
    if let error = failure.withLock({ $0 }) ?? sending { throw error }
    return Result(producer: producerEvents.now, consumer: consumerEvents.now, milliseconds: milliseconds)
  }
}
