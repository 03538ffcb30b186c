import Synchronization
import TestSupport
import Testing

@testable import Kafka
@testable import Messaging
@testable import Platform

@Suite(.ownThread) struct KafkaProducerTests {
  @Test("every message is reported once, by its token") func messageIsReportedOnce() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 3)
    let reports = Inbox<DeliveryReport>()
    let producer = try KafkaProducer(settings(cluster, ["linger.ms": "5"])) { reports.put($0) }
    // The largest token must survive the trip through a C pointer.
    let tokens = Array(0..<UInt64(300)) + [UInt64.max]
    let perThread = tokens.count / 2
    let threads = [tokens.prefix(perThread), tokens.dropFirst(perThread)].map { share in
      BackgroundThread.start("sender") {
        for token in share { #expect(throws: Never.self) { try producer.sendText("images", nil, "x", token: token) } }
      }
    }
    for thread in threads { thread.join() }
    #expect(producer.flush(timeout: patience))
    #expect(reports.all.map(\.token).sorted() == tokens)
    #expect(reports.all.allSatisfy { $0.error == nil && !$0.mayHaveArrived && $0.offset >= 0 })
    #expect(producer.queuedMessages == 0)
    producer.close()
  }

  @Test("the stack under a delivery report does not grow with the number of reports") func reportsShareOneStack() throws
  {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let places = Inbox<UInt>()
    let producer = try KafkaProducer(settings(cluster)) { _ in
      var local = 0
      places.put(withUnsafeMutablePointer(to: &local) { UInt(bitPattern: $0) })
    }
    // One after another, because reports that arrive together are one event of the library.
    for number in 1...200 {
      try producer.sendText("images", 0, "x", token: UInt64(number))
      #expect(producer.flush(timeout: patience))
      _ = places.all(atLeast: number)
    }
    let all = places.all
    #expect(all.max()! - all.min()! < 1_000)
    producer.close()
  }

  @Test("a delivery report may send the next message") func reportMaySend() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let box = Carrier()
    let producer = try KafkaProducer(settings(cluster)) { report in
      reports.put(report)
      guard report.token < 5, let producer = box.producer else { return }
      #expect(throws: Never.self) { try producer.sendText("images", 0, "next", token: report.token + 1) }
    }
    box.producer = producer
    try producer.sendText("images", 0, "first", token: 1)
    #expect(reports.all(atLeast: 5).map(\.token) == [1, 2, 3, 4, 5])
    #expect(reports.all.map(\.offset) == [0, 1, 2, 3, 4])
    box.producer = nil
    producer.close()
  }

  @Test("a delivery report may close the producer") func reportMayClose() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let box = Carrier()
    let producer = try KafkaProducer(settings(cluster)) { report in
      box.producer?.close()
      reports.put(report)
    }
    box.producer = producer
    try producer.sendText("images", 0, "x", token: 1)
    #expect(reports.all(atLeast: 1).count == 1)
    box.producer = nil
    producer.close()
  }

  @Test("a full queue hands the buffer back") func fullQueueReturnsBuffer() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let limits = ["queue.buffering.max.messages": "3", "linger.ms": "60000"]
    let producer = try KafkaProducer(settings(cluster, limits)) { reports.put($0) }
    for token in 1...3 { #expect(try producer.sendText("images", 0, "x", token: UInt64(token)) == .queued) }
    let payload = PayloadBuffer(capacity: 4)
    payload.bytes.copyBytes(from: Array("back".utf8))
    payload.count = 4
    let key = UnsafeRawBufferPointer(start: nil, count: 0)
    let header = MessageHeader(name: "h", value: [1])
    func send() throws -> KafkaProducer.Outcome {
      try producer.send(topic: "images", partition: 0, key: key, payload: payload, headers: [header], token: 4)
    }
    #expect(try send() == .queueFull)
    #expect(!payload.isHandedOver && Array(payload.bytes) == Array("back".utf8))
    #expect(producer.flush(timeout: patience), "the linger of a minute is cut short")
    #expect(try send() == .queued)
    #expect(producer.flush(timeout: patience))
    #expect(reports.all.map(\.token) == [1, 2, 3, 4])
    producer.close()
  }

  @Test("a message above the limit is refused at once") func oversizedMessageIsRefused() throws {
    let cluster = try EmbeddedCluster()
    let producer = try KafkaProducer(settings(cluster, ["message.max.bytes": "1000"])) { _ in }
    let payload = PayloadBuffer(capacity: 2000)
    payload.count = 2000
    let error = #expect(throws: KafkaError.self) {
      try Array("key".utf8).withUnsafeBytes {
        try producer.send(
          topic: "images", key: $0, payload: payload, headers: [MessageHeader(name: "h", value: [1])], token: 1)
      }
    }
    #expect(error?.isMessageTooLarge == true && error?.name == "MSG_SIZE_TOO_LARGE")
    #expect(error?.context == "topic images, a message of 2003 bytes")
    #expect(!payload.isHandedOver)
    producer.close()
  }

  @Test("an unknown partition is refused, and nothing is freed twice") func unknownPartitionIsRefused() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let producer = try KafkaProducer(settings(cluster)) { reports.put($0) }
    #expect(try producer.partitionCount(of: "images", timeout: patience) == 1)
    let payload = PayloadBuffer(capacity: 10)
    payload.count = 10
    let error = #expect(throws: KafkaError.self) {
      try producer.send(
        topic: "images", partition: 7, key: UnsafeRawBufferPointer(start: nil, count: 0), payload: payload,
        headers: [MessageHeader(name: "h", value: [1, 2])], token: 1)
    }
    #expect(error?.isUnknownTopic == true && error?.context == "topic images, partition 7")
    #expect(!payload.isHandedOver)
    producer.close()
    #expect(reports.all.isEmpty)
  }

  @Test("closing reports each queued message") func closeReportsEachQueuedMessage() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    let reports = Inbox<DeliveryReport>()
    let producer = try KafkaProducer(settings(cluster, ["linger.ms": "60000"])) { reports.put($0) }
    // Known partitions and an unknown topic: the library keeps these in different queues.
    #expect(try producer.partitionCount(of: "images", timeout: patience) == 2)
    for token in 0..<UInt64(50) { try producer.sendText(token % 5 == 0 ? "other" : "images", nil, "x", token: token) }
    producer.close()
    producer.close()
    #expect(reports.all.map(\.token).sorted() == Array(0..<50))
    #expect(reports.all.allSatisfy { $0.error?.isPurged == true && !$0.mayHaveArrived })
    let error = #expect(throws: KafkaError.self) { try producer.sendText("images", 0, "late") }
    #expect(error?.isClosed == true)
    #expect(throws: KafkaError.self) { try producer.clusterID(timeout: .milliseconds(10)) }
    #expect(producer.queuedMessages == 0 && producer.flush(timeout: .milliseconds(10)))
  }

  @Test("closing a producer is bounded without a broker") func closeIsBoundedWithoutABroker() throws {
    let cluster = try EmbeddedCluster()
    cluster.setDown(true)
    let reports = Inbox<DeliveryReport>()
    let lines = Inbox<String>()
    var offline = settings(cluster)
    offline.onLog = { _, facility, _ in lines.put(facility) }
    let producer = try KafkaProducer(offline) { reports.put($0) }
    try producer.sendText("images", 0, "x", token: 9)
    #expect(lines.all { $0.contains("ERROR") }.contains("ERROR"), "that all brokers are down is said")
    #expect(!producer.flush(timeout: .milliseconds(50)))
    let error = #expect(throws: KafkaError.self) {
      try producer.partitionCount(of: "images", timeout: .milliseconds(50))
    }
    #expect(error?.isTransport == true || error?.isTimedOut == true)
    let start = ContinuousClock.now
    producer.close()
    #expect(ContinuousClock.now - start < .seconds(11))
    #expect(reports.all.map(\.token) == [9])
  }

  @Test("failed requests are retried without duplicates") func retriesMakeNoDuplicates() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let exact = ["enable.idempotence": "true", "batch.num.messages": "5"]
    let producer = try KafkaProducer(settings(cluster, exact)) { reports.put($0) }
    // A lost connection, a moved leader, a time-out at the broker, too few replicas.
    cluster.failNextRequests(api: 0, errors: [-195, 6, 7, 19, -195])
    let texts = (0..<60).map { "message \($0)" }
    for text in texts { try producer.sendText("images", 0, text) }
    #expect(producer.flush(timeout: patience))
    #expect(reports.all.count == 60)
    #expect(reports.all.compactMap(\.error).isEmpty)
    let marks = try producer.watermarks(of: "images", partition: 0, timeout: patience)
    #expect(marks.low == 0 && marks.high == 60)
    producer.close()
    let reader = try PartitionReader(settings(cluster))
    for offset in [0, 31, 59] {
      let message = try reader.read(
        topic: "images", partition: 0, offset: Int64(offset), timeout: patience)
      #expect(message?.text == texts[offset])
    }
  }

  /// The first request fails, the second succeeds: the library infers that the first arrived, too. For that, the second
  /// has to be under way before the first is answered, which takes several attempts on a slow machine.
  @Test("a message whose arrival is only inferred is not reported as acknowledged") func inferredArrivalIsUnconfirmed()
    throws
  {
    let hasOccurred = try (1...30).contains { _ in try missingMessages() == ["message 0"] }
    #expect(hasOccurred, "otherwise this shows nothing")
  }

  /// Sends three messages. The broker refuses the first one once. Expects that every message that is missing in the topic
  /// is reported as unproven.
  /// - Returns: the messages that are missing in the topic.
  private func missingMessages() throws -> Set<String> {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let exact = ["enable.idempotence": "true", "batch.num.messages": "1", "linger.ms": "0"]
    let producer = try KafkaProducer(settings(cluster, exact)) { reports.put($0) }
    // One request finds no settled leader.
    cluster.failNextRequests(api: 0, errors: [6])
    let texts = (0..<3).map { "message \($0)" }
    for (token, text) in texts.enumerated() { try producer.sendText("images", 0, text, token: UInt64(token)) }
    #expect(producer.flush(timeout: patience))
    producer.close()
    let scan = try PartitionScan(settings(cluster), topic: "images", partition: 0, timeout: patience)
    var there: Set<String> = []
    while let message = try scan.next(timeout: patience) { there.insert(message.text) }
    let missing = Set(texts).subtracting(there)
    let unproven = reports.all.filter { $0.error?.isUnproven == true }
    #expect(Set(unproven.map { texts[Int($0.token)] }) == missing)
    #expect(unproven.allSatisfy { $0.error?.disposition == .transient && $0.mayHaveArrived })
    #expect(reports.all.count == 3)
    return missing
  }

  @Test("a refused message is reported with the broker's reason") func refusalHasReason() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let producer = try KafkaProducer(settings(cluster)) { reports.put($0) }
    cluster.failNextRequests(api: 0, errors: [29])
    try producer.sendText("images", 0, "x", token: 5)
    let report = try #require(reports.all(atLeast: 1).first)
    #expect(report.token == 5 && report.error?.isAuthorization == true && !report.mayHaveArrived)
    #expect(report.error?.context == "topic images, partition 0")
    producer.close()
  }

  @Test("a purge takes messages back") func purgeReturnsMessages() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let reports = Inbox<DeliveryReport>()
    let producer = try KafkaProducer(settings(cluster, ["linger.ms": "60000"])) { reports.put($0) }
    for token in 0..<UInt64(5) { try producer.sendText("images", 0, "x", token: token) }
    producer.purge()
    #expect(reports.all(atLeast: 5).allSatisfy { $0.error?.isPurged == true })
    producer.close()
  }

  @Test("a forgotten producer closes itself") func forgottenProducerClosesItself() throws {
    let cluster = try EmbeddedCluster()
    let reports = Inbox<DeliveryReport>()
    var producer: KafkaProducer? = try KafkaProducer(settings(cluster, ["linger.ms": "60000"])) { reports.put($0) }
    try producer?.sendText("images", 0, "x", token: 3)
    producer = nil
    #expect(reports.all.map(\.token) == [3])
  }
}

/// A producer that its callback can use.
final class Carrier: Sendable {
  private let held = Mutex<KafkaProducer?>(nil)

  var producer: KafkaProducer? {
    get { held.withLock { $0 } }
    set { held.withLock { $0 = newValue } }
  }
}
