import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// The bound of every wait for the library: far beyond what anything takes here.
let patience = Duration.seconds(30)

/// Collects elements from other threads and lets a test wait for them.
final class Inbox<Element: Sendable>: Sendable {
  private let elements = Mutex<[Element]>([])

  func put(_ element: Element) { elements.withLock { $0.append(element) } }

  var all: [Element] { elements.withLock { $0 } }

  /// All elements, once there are enough of them or the wait is over.
  func all(until isEnough: ([Element]) -> Bool) -> [Element] {
    _ = eventually(every: .milliseconds(1)) { isEnough(all) }
    return all
  }

  func all(atLeast count: Int) -> [Element] { all { $0.count >= count } }
}

extension Trait where Self == OwnThread {
  static var ownThread: Self { OwnThread() }
}

func settings(_ cluster: EmbeddedCluster, _ more: [String: String] = [:]) -> KafkaSettings {
  var settings = KafkaSettings()
  settings.set("bootstrap.servers", cluster.bootstrapServers)
  settings.set("retry.backoff.ms", "20")
  settings.set("reconnect.backoff.ms", "20")
  settings.set("reconnect.backoff.max.ms", "50")
  for (property, value) in more { settings.set(property, value) }
  return settings
}

func groupSettings(_ cluster: EmbeddedCluster, group: String, _ more: [String: String] = [:]) -> KafkaSettings {
  var settings = settings(cluster, more)
  settings.set("group.id", group)
  // The embedded cluster waits 3 s for the first members, and this time-out minus 1 s in later rebalances.
  settings.setDefault("session.timeout.ms", "4000")
  settings.setDefault("heartbeat.interval.ms", "100")
  settings.setDefault("fetch.wait.max.ms", "50")
  return settings
}

/// Sends text values to one partition and waits for their delivery.
func fill(_ cluster: EmbeddedCluster, _ topic: String, partition: Int32 = 0, _ values: [String]) throws {
  let reports = Inbox<DeliveryReport>()
  let producer = try KafkaProducer(settings(cluster)) { reports.put($0) }
  for value in values { try producer.sendText(topic, partition, value) }
  #expect(producer.flush(timeout: patience))
  #expect(reports.all(atLeast: values.count).allSatisfy { $0.error == nil })
  producer.close()
}

extension KafkaProducer {
  @discardableResult
  func sendText(_ topic: String, _ partition: Int32? = 0, _ value: String, token: UInt64 = 0) throws -> Outcome {
    try Array(value.utf8).withUnsafeBytes { value in
      try send(topic: topic, partition: partition, key: value, copying: value, headers: [], token: token)
    }
  }
}

extension KafkaMessage {
  var text: String { value.map { String(decoding: $0, as: UTF8.self) } ?? "(null)" }
}

/// A consumer's events, collected until there are enough.
struct Seen {
  var messages: [KafkaMessage] = []
  var ends: [Int32: Int64] = [:]
  var outOfRange: [Int32: KafkaError] = [:]
  var failures: [KafkaError] = []

  var texts: [String] { messages.map(\.text) }

  mutating func poll(_ consumer: KafkaConsumer, maximum: Int = 100, until isEnough: (Seen) -> Bool) {
    _ = eventually {
      take(consumer.poll(maximum: maximum, timeout: .milliseconds(50)))
      return isEnough(self)
    }
  }

  mutating func take(_ events: [KafkaConsumer.Event]) {
    for event in events {
      switch event {
      case .message(let message): messages.append(message)
      case .endOfPartition(let partition, let offset): ends[partition] = offset
      case .offsetOutOfRange(let partition, let error): outOfRange[partition] = error
      case .commitFailed(let error), .failure(let error, _): failures.append(error)
      }
    }
  }
}

/// A consumer that joins and starts at the given offsets.
func joined(
  _ settings: KafkaSettings, _ topic: String, _ starts: [Int32: KafkaConsumer.StartOffset] = [:]
) throws -> KafkaConsumer {
  let consumer = try KafkaConsumer(settings, topic: topic)
  consumer.onAssigned = { _ in starts }
  try consumer.subscribe()
  return consumer
}
