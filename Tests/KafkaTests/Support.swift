import Glibc
import Synchronization
import Testing

@testable import Kafka
@testable import Platform

/// The bound of every wait: far beyond what anything takes here, so that only a real fault runs into it.
let patience = 30_000

/// Takes what other threads bring, and lets a test wait for it.
final class Inbox<Element: Sendable>: Sendable {
  private let elements = Mutex<[Element]>([])
  // Filled once for each element: who waits for more takes one a time.
  private let arrivals = BoundedWait()

  func put(_ element: Element) {
    elements.withLock { $0.append(element) }
    arrivals.signal()
  }

  var all: [Element] { elements.withLock { $0 } }

  /// All of them, once they are enough or the patience is over.
  func all(until isEnough: ([Element]) -> Bool) -> [Element] {
    while !isEnough(all), arrivals.wait() {}
    return all
  }

  func all(atLeast count: Int) -> [Element] { all { $0.count >= count } }
}

/// A semaphore whose waiting ends with the patience.
private final class BoundedWait: @unchecked Sendable {
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() { sem_init(semaphore, 0, 0) }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  func signal() { sem_post(semaphore) }

  func wait() -> Bool {
    var end = timespec()
    clock_gettime(CLOCK_REALTIME, &end)
    end.tv_sec += patience / 1000
    return sem_timedwait(semaphore, &end) == 0
  }
}

/// Gives each test a thread of its own: they spend their time waiting, for which the shared pool has too few.
struct OwnThread: SuiteTrait, TestTrait, TestScoping {
  let isRecursive = true

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    try await withTaskExecutorPreference(Threads.shared, operation: function)
  }

  private final class Threads: TaskExecutor {
    static let shared = Threads()

    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      _ = BackgroundThread.start("test") { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
  }
}

extension Trait where Self == OwnThread {
  static var ownThread: Self { OwnThread() }
}

/// Asks again and again until it is so (the question has to wait a little by itself); false when the patience is over.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  let end = ContinuousClock.now + .milliseconds(patience)
  while try !condition() {
    guard ContinuousClock.now < end else { return false }
  }
  return true
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
  // The embedded cluster waits 3 s for the first members, and this time less 1 s for them in a later rebalance.
  settings.setDefault("session.timeout.ms", "4000")
  settings.setDefault("heartbeat.interval.ms", "100")
  settings.setDefault("fetch.wait.max.ms", "50")
  return settings
}

/// Sends text values to one partition and waits until they are there.
func fill(_ cluster: EmbeddedCluster, _ topic: String, partition: Int32 = 0, _ values: [String]) throws {
  let reports = Inbox<DeliveryReport>()
  let producer = try KafkaProducer(settings(cluster)) { reports.put($0) }
  for value in values { try producer.sendText(topic, partition, value) }
  #expect(producer.flush(timeoutMilliseconds: patience))
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

/// All events of a consumer, until enough of them have come.
struct Seen {
  var messages: [KafkaMessage] = []
  var ends: [Int32: Int64] = [:]
  var outOfRange: [Int32: KafkaError] = [:]
  var failures: [KafkaError] = []

  var texts: [String] { messages.map(\.text) }

  mutating func poll(_ consumer: KafkaConsumer, maximum: Int = 100, until isEnough: (Seen) -> Bool) {
    _ = eventually {
      take(consumer.poll(maximum: maximum, timeoutMilliseconds: 50))
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

/// A consumer that has joined, started from where `starts` says.
func joined(
  _ settings: KafkaSettings, _ topic: String, _ starts: [Int32: KafkaConsumer.StartOffset] = [:]
) throws -> KafkaConsumer {
  let consumer = try KafkaConsumer(settings, topic: topic)
  consumer.onAssigned = { _ in starts }
  try consumer.subscribe()
  return consumer
}

/// Bytes that look random and are the same every time.
func noise(_ count: Int) -> [UInt8] {
  var state: UInt64 = 88_172_645_463_325_252
  return (0..<count).map { _ in
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return UInt8(truncatingIfNeeded: state)
  }
}
