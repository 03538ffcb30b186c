import Cluster
import Kafka
import Output
import Platform
import Synchronization
import Wire

/// Sends receipts to their topic, and creates the topic if it is missing. It never blocks: the client has a queue and
/// threads of its own, and a topic is created on another thread. Used by one thread.
final class ReceiptSender {
  private let topic: String
  private let producer: KafkaProducer
  private let reports = Reports()
  /// The pause before another attempt after the broker refused a receipt or the topic.
  private let retryDelay: Duration
  private var state = TopicState.unknown(due: .now)

  private enum TopicState {
    /// The topic has to be found or created.
    case unknown(due: MonotonicClock.Instant)
    case creating(BackgroundTask<Void>)
    case exists
  }

  /// The receipts under way, and the outcome of the others. Written on the client's thread, too.
  private final class Reports: Sendable {
    struct Content {
      /// When each was handed over, and its size in bytes.
      var underWay: [UInt64: (since: MonotonicClock.Instant, bytes: Int)] = [:]
      var bytes = 0
      var acknowledged: [Int64] = []
      var failure: KafkaError?

      mutating func forget(_ id: UInt64) {
        if let known = underWay.removeValue(forKey: id) { bytes -= known.bytes }
      }
    }
    let content = Mutex(Content())

    func forget(_ id: UInt64) { content.withLock { $0.forget(id) } }

    func add(_ report: DeliveryReport) {
      content.withLock {
        $0.forget(report.token)
        if let error = report.error { $0.failure = error } else { $0.acknowledged.append(Int64(report.token)) }
      }
      if report.error == nil { FaultPoint.receiptAcknowledged.reached() }
    }
  }

  /// The limits of what is under way.
  private static let mostUnderWay = 1_000
  private static let mostBytes = 8 << 20
  private static let answerTimeout = Duration.seconds(5)

  /// - Parameter source: the topic of the images.
  init(_ settings: KafkaSettings, source: String, retryDelay: Duration) throws(KafkaError) {
    topic = ReceiptsTopic.name(of: source)
    self.retryDelay = retryDelay
    var settings = settings
    // These are for images. A receipt is about 200 KB at most, and should arrive soon.
    settings.set("message.max.bytes", "1000000")
    settings.set("batch.size", "262144")
    settings.set("queue.buffering.max.kbytes", "65536")
    settings.set("linger.ms", "5")
    settings.set("enable.idempotence", "true")
    // The most that idempotence allows.
    settings.set("max.in.flight.requests.per.connection", "5")
    // Receipts without an acknowledgement are sent again anyway, by this client or by the next.
    settings.set("message.timeout.ms", "0")
    producer = try KafkaProducer(settings) { [reports] in reports.add($0) }
  }

  func close() { producer.close() }

  /// The client, for questions to the broker.
  var client: KafkaClient { producer }

  /// Whether the client has failed for good and can send nothing more.
  var isDead: Bool { producer.fatalError != nil }

  /// How many receipts the client would take now; 0 if the topic is not known to exist.
  var room: Int {
    guard case .exists = state else { return 0 }
    return reports.content.withLock { $0.bytes < Self.mostBytes ? Self.mostUnderWay - $0.underWay.count : 0 }
  }

  var isIdle: Bool { reports.content.withLock { $0.underWay.isEmpty } }

  /// How long the oldest receipt under way has waited for the broker; nil if there is none.
  func waited(at now: MonotonicClock.Instant) -> Duration? {
    reports.content.withLock { $0.underWay.values.map(\.since).min() }.map { now - $0 }
  }

  /// Why the broker does not answer, as far as the client knows.
  var brokerTrouble: BrokerTrouble? { BrokerTrouble(producer.lastTrouble()) }

  /// Hands a receipt to the client.
  /// - Returns: false if its queue is full.
  func send(_ row: ReceiptOutbox.Row) throws(KafkaError) -> Bool {
    let id = UInt64(row.id)
    let bytes = row.key.count + row.value.count
    // Before it is sent: its report may arrive at once.
    reports.content.withLock {
      $0.underWay[id] = (.now, bytes)
      $0.bytes += bytes
    }
    var outcome: Result<KafkaProducer.Outcome, KafkaError>?
    row.key.withUnsafeBytes { key in
      row.value.withUnsafeBytes { value in
        outcome = Result { () throws(KafkaError) in
          try producer.send(topic: topic, key: key, copying: value, headers: [], token: id)
        }
      }
    }
    if case .success(.queued) = outcome { return true }
    reports.forget(id)
    if case .failure(let error) = outcome {
      note(error)
      throw error
    }
    return false
  }

  /// The ids of receipts that the broker has, and why another one was refused. Each is returned once.
  func takeReports() -> (acknowledged: [Int64], failure: KafkaError?) {
    let (acknowledged, failure) = reports.content.withLock { content in
      defer { (content.acknowledged, content.failure) = ([], nil) }
      return (content.acknowledged, content.failure)
    }
    if let failure { note(failure) }
    return (acknowledged, failure)
  }

  /// Waits until nothing is under way, at most for `timeout`.
  func flush(timeout: Duration) {
    if case .creating = state { _ = StopFlag().wait(for: min(timeout, .milliseconds(10))) }
    _ = producer.flush(timeout: timeout)
  }

  // MARK: Topic

  /// Finds or creates the topic if that is due.
  /// - Returns: why that failed; returned once.
  func prepareTopic() -> (any Error)? {
    switch state {
    case .exists: return nil
    case .unknown(let due):
      guard MonotonicClock.now >= due else { return nil }
      state = .creating(
        BackgroundTask { [producer, topic] in
          do {
            if let count = try producer.partitionCount(of: topic, timeout: Self.answerTimeout), count > 0 { return }
          } catch let error as KafkaError where error.isAuthorization {
            // It may exist. Sending needs more rights, so the refusal of that names the one that is missing.
            return
          }
          // Settings that the broker rejects are left out.
          _ = try producer.createTopic(
            topic, partitions: 1, preferring: ReceiptsTopic.settings, timeout: Self.answerTimeout)
        })
      return nil
    case .creating(let creation):
      guard creation.isReady else { return nil }
      do {
        try creation.finish()
        state = .exists
        return nil
      } catch {
        state = .unknown(due: .now + retryDelay)
        return error
      }
    }
  }

  /// Whether the broker has refused something, so that no acknowledgement is expected soon.
  var isRefused: Bool { if case .unknown(let due) = state { due > .now } else { false } }

  private func note(_ failure: KafkaError) {
    guard case .exists = state else { return }
    // A topic that was deleted is created again at once. Other refusals would be repeated.
    state = .unknown(due: failure.isTopicMissing || failure.isUnproven ? .now : .now + retryDelay)
  }
}
