import Kafka
import Platform
import Synchronization

/// Sends a few messages at a time, and waits until each is acknowledged or has failed. Used by one thread.
final class AcknowledgedSender {
  let producer: KafkaProducer
  private let patience: Duration
  private let reports = Reports()
  private var sent: UInt64 = 0
  /// Whether the topic did not exist in the last attempt.
  private(set) var missesTopic = false

  /// The outcome of each message, by its number. Written on the client's thread.
  private final class Reports: Sendable {
    let table = Mutex<[UInt64: KafkaError?]>([:])
  }

  /// - Parameter patience: the time limit for all messages of one call.
  init(_ settings: KafkaSettings, patience: Duration) throws {
    self.patience = patience
    var settings = settings
    // A message that was read from a topic was accepted by one before, so the limits here must not refuse it. For a
    // message larger than the queue, the queue would be full forever. The caller bounds how much is sent at a time.
    settings.set("message.max.bytes", "1000000000")
    settings.set("queue.buffering.max.kbytes", "2000000")
    settings.set("queue.buffering.max.messages", "1000000")
    settings.set("message.timeout.ms", String(max(1, (patience - .seconds(1)).inMilliseconds)))
    settings.set("enable.idempotence", "true")
    // All messages are queued at once, so a batch has nothing to wait for.
    settings.set("linger.ms", "0")
    producer = try KafkaProducer(settings) { [reports] report in
      reports.table.withLock { $0[report.token] = .some(report.error) }
    }
  }

  /// Whether the client has failed for good and can send nothing more.
  var isDead: Bool { producer.fatalError != nil }

  func close() { producer.close() }

  /// Sends messages and waits for their acknowledgements. A message whose arrival is only inferred is sent again.
  /// - Parameter whileWaiting: called every now and then; returns false to stop waiting.
  /// - Returns: for each message, why it is not acknowledged, or nil if it is; nil instead of the array if
  ///   `whileWaiting` returned false.
  func send(_ records: [LetterRecord], to topic: String, whileWaiting: () -> Bool) -> [Failure?]? {
    let deadline = MonotonicClock.now + patience
    var outcomes = [Failure?](repeating: nil, count: records.count)
    var rest = Array(records.indices)
    missesTopic = false
    while !rest.isEmpty {
      guard let failures = attempt(rest.map { records[$0] }, topic, deadline, whileWaiting) else { return nil }
      for (index, failure) in zip(rest, failures) { outcomes[index] = failure }
      guard MonotonicClock.now < deadline else { break }
      rest = zip(rest, failures).filter { $1?.isUnproven == true }.map(\.0)
    }
    return outcomes
  }

  struct Failure {
    /// The name of the error, as in `KafkaError`.
    let name: String
    let reason: String
    fileprivate(set) var isUnproven = false
  }

  private func attempt(
    _ records: [LetterRecord], _ topic: String, _ deadline: MonotonicClock.Instant, _ whileWaiting: () -> Bool
  ) -> [Failure?]? {
    // Numbers continue across calls, so that a late report is not mistaken for one of another call.
    let first = sent
    sent += UInt64(records.count)
    reports.table.withLock { $0 = [:] }
    var refused: [UInt64: Failure] = [:]
    for (number, record) in zip(first..., records) {
      do {
        let outcome = try producer.send(
          topic: topic, partition: nil, key: record.key, copying: record.value, headers: record.headers, token: number)
        if outcome == .queueFull {
          refused[number] = Failure(name: "_QUEUE_FULL", reason: "the client's queue is full")
        }
      } catch { refused[number] = Failure(name: error.name, reason: error.description) }
    }
    var acknowledged: [UInt64: KafkaError?] = [:]
    while true {
      _ = producer.flush(timeout: .milliseconds(100))
      acknowledged = reports.table.withLock { $0.filter { $0.key >= first } }
      if acknowledged.count + refused.count >= records.count || MonotonicClock.now >= deadline { break }
      guard whileWaiting() else { return nil }
    }
    missesTopic = acknowledged.values.contains { $0?.isUnknownTopic == true }
    return records.indices.map { index in
      let number = first + UInt64(index)
      if let failure = refused[number] { return failure }
      guard let report = acknowledged[number] else {
        return Failure(
          name: "_MSG_TIMED_OUT", reason: "no acknowledgement within \(patience.components.seconds) s")
      }
      return report.map { Failure(name: $0.name, reason: $0.description, isUnproven: $0.isUnproven) }
    }
  }
}
