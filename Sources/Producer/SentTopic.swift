import Cluster
import Configuration
import Kafka
import Platform
import Synchronization
import Telemetry
import Wire

/// Checks whether the topic is still the one that images were sent to. A topic that was deleted and re-created holds
/// nothing of what the ledger has as sent. Nothing else would show this: librdkafka before 2.4 does not know topic ids.
///
/// For each partition the ledger has a mark: a message that the topic has acknowledged. If the topic still has it at
/// its offset, everything that was acknowledged before the check went to the same topic, and a newer mark replaces the
/// old one. So images that are sent to a new topic never hide the change.
final class SentTopic: Sendable {
  private struct State {
    /// The marks as the ledger has them.
    var marks: [Int32: MessageMark] = [:]
    /// The offsets of the ledger's marks when the run began.
    var first: [Int32: Int64] = [:]
    /// The last acknowledged message of each partition in this run.
    var last: [Int32: MessageMark] = [:]
    /// The last acknowledged offset of each partition, per client: the clients do not wait for each other.
    var order: [SendingClients.Way: [Int32: Int64]] = [:]
    /// Whether the topic was found to be another one, and the ledger has not recorded that yet.
    var isNew = false
  }

  private let topic: String
  private let client: KafkaClient
  private let ledger: Ledger
  private let events: ProducerEvents
  private let rereader: Mutex<Rereader>
  private let state = Mutex(State())
  /// False if the topic lasts only as long as the run.
  private let canBeRecreated: Bool
  /// Whether images that wait for receipts are sent again if the topic is another one.
  private let resendsWaiting: @Sendable () -> Bool

  /// The time between two checks. Each check looks at one partition, in turn.
  private static let interval = Duration.seconds(10)
  /// The time limit of one check.
  private static let patience = Duration.seconds(2)

  init(_ settings: ProducerSettings, client: KafkaClient, ledger: Ledger, events: ProducerEvents) {
    topic = settings.topic
    self.client = client
    self.ledger = ledger
    self.events = events
    var reading = settings.kafka
    // A user that may write may still not be allowed to read. That is not worth a log line each time.
    reading.onLog = nil
    reading.set("fetch.message.max.bytes", "1")
    // The requested message exists, so the broker has nothing to wait for.
    reading.set("fetch.wait.max.ms", "20")
    rereader = Mutex(Rereader(reading))
    canBeRecreated = settings.embeddedCluster == nil
    // Without receipts so far, nobody knows whether the images of the old topic were stored. Files that wait to be moved
    // or deleted would wait forever, though.
    resendsWaiting = { [settings] in
      settings.receiptsNeeded > 0 && (settings.afterSent != .keep || (try? ledger.knowsOutputs()) == true)
    }
  }

  /// The marks to record with the next lines of the ledger.
  var last: [Int32: MessageMark] { state.withLock { $0.last } }

  /// A message is in the topic. Called on the client's thread. For each partition, the messages of one client arrive in
  /// order.
  func acknowledged(_ report: DeliveryReport, key: String, by way: SendingClients.Way = .main) {
    guard canBeRecreated, report.offset >= 0 else { return }
    let digest = Array(key.utf8).withUnsafeBytes { SHA256.hash($0) }
    let mark = MessageMark(offset: report.offset, timestamp: report.timestamp, key: digest)
    let before = state.withLock { state in
      let before = state.order[way]?[report.partition] ?? state.first[report.partition]
      state.order[way, default: [:]][report.partition] = mark.offset
      if state.last[report.partition].map({ $0.offset < mark.offset }) ?? true { state.last[report.partition] = mark }
      if state.marks[report.partition] == nil { state.marks[report.partition] = mark }
      return before
    }
    if let before, before >= mark.offset {
      found("partition \(report.partition) assigned offset \(mark.offset) after offset \(before) had been acknowledged")
    }
  }

  /// Compares the topic with the ledger's marks. To be called before anything is sent.
  /// - Parameter timeout: the longest wait for a broker that does not answer.
  func compare(within timeout: Duration) throws {
    let (marks, isNew) = (try ledger.marks(), try ledger.isTopicNew())
    state.withLock {
      $0.marks = marks
      $0.first = marks.mapValues(\.offset)
    }
    if isNew { events.topicIsNew(topic, because: "found by an earlier run") }
    look(at: marks.keys.sorted(), Deadline(in: timeout))
    record()
  }

  /// Checks the topic periodically until `ending` is set.
  /// - Parameter status: has lost images looked at again.
  func watch(until ending: StopFlag, _ status: ReceiptStatus) {
    var next = MonotonicClock.now + Self.interval
    var turn = 0
    while !ending.wait(for: .milliseconds(500)) {
      record(status)
      guard MonotonicClock.now >= next else { continue }
      let partitions = known
      guard !partitions.isEmpty else { continue }
      turn += 1
      look(at: [partitions[turn % partitions.count]], Deadline(in: Self.patience))
      next = MonotonicClock.now + Self.interval
    }
  }

  /// Checks the topic once more and updates the ledger's marks. To be called when everything is acknowledged, so that
  /// the ledger has the newest marks.
  func finish(within timeout: Duration) {
    let moved = state.withLock { state in state.last.keys.filter { state.marks[$0] != state.last[$0] } }
    look(at: moved.sorted(), Deadline(in: timeout))
    record()
  }

  private var known: [Int32] { state.withLock { $0.marks.keys.sorted() } }

  // MARK: Looking

  private func look(at partitions: [Int32], _ deadline: Deadline) {
    guard canBeRecreated, !partitions.isEmpty else { return }
    do {
      // A topic that is missing at the moment is not a different topic yet.
      guard let count = try client.partitionCount(of: topic, timeout: deadline.remaining) else { return }
      for partition in partitions where !deadline.hasPassed && !state.withLock({ $0.isNew }) {
        try look(at: partition, count: count, deadline)
      }
    } catch {
      // An unreachable broker does not matter here, nor does a ledger that cannot be written just now: the mark stays.
    }
  }

  private func look(at partition: Int32, count: Int, _ deadline: Deadline) throws {
    let (mark, newest) = state.withLock { ($0.marks[partition], $0.last[partition]) }
    guard let mark else { return }
    let acknowledged = "message \(mark.offset) of partition \(partition) was acknowledged"
    guard Int(partition) < count else {
      return found("\(acknowledged), but the topic now has only \(Quantity.count(count, "partition"))")
    }
    let ends = try client.watermarks(of: topic, partition: partition, timeout: deadline.remaining)
    if ends.high <= mark.offset { return found("\(acknowledged), but the partition now ends at \(ends.high)") }
    if ends.low <= mark.offset, try !isThere(mark, partition, deadline) {
      return found("\(acknowledged), but that offset now holds a different message")
    }
    guard let newest, newest != mark else { return }
    try ledger.advance([partition: newest])
    state.withLock { $0.marks[partition] = newest }
  }

  /// Whether the topic still has the message of a mark. Also true if nobody can tell: the message was compacted away,
  /// this user may not read, or the ledger is an old one.
  private func isThere(_ mark: MessageMark, _ partition: Int32, _ deadline: Deadline) throws -> Bool {
    guard let key = mark.key else { return true }
    do {
      let message = try rereader.withLock {
        try $0.read(
          topic: topic, partition: partition, offset: mark.offset,
          timeout: min(Self.patience, deadline.remaining))
      }
      guard let message else { return true }
      return (mark.timestamp == nil || message.timestamp == mark.timestamp)
        && message.key.map { SHA256.hash($0) } == key
    } catch let error as KafkaError where error.isAuthorization {
      return true
    }
  }

  // MARK: Another one

  private func found(_ reason: String) {
    let isKnown = state.withLock { state in
      defer { state.isNew = true }
      return state.isNew
    }
    if !isKnown { events.topicIsNew(topic, because: reason) }
  }

  /// Records in the ledger that the topic is new. If that fails, the mark in the ledger still shows it. Otherwise the next
  /// messages are the marks of the new topic, which may be re-created, too.
  /// - Parameter status: nil if a scan of the whole input follows.
  private func record(_ status: ReceiptStatus? = nil) {
    guard state.withLock({ $0.isNew }) else { return }
    let loses = resendsWaiting()
    status?.losing.withLock { $0 = .recording }
    let isRecorded = (try? ledger.setTopicNew(losesWaiting: loses)) != nil
    status?.losing.withLock { $0 = isRecorded && loses ? .recorded(after: "") : .nothing }
    if isRecorded { state.withLock { $0 = State() } }
  }
}
