import TestSupport
import Testing

@testable import Consumer
@testable import Kafka
@testable import Output
@testable import Platform
@testable import Telemetry
@testable import Wire

/// The way of receipts from the outbox to the broker, which may be away or refuse them.
@Suite(.serialized) struct ReceiptFeedTests {
  private let scratch = TestFolder()
  private let lines = LogLines()
  private let cluster: EmbeddedCluster
  private let store: ImageStore
  private let outbox: ReceiptOutbox
  private let events: ConsumerEvents

  init() throws {
    cluster = try EmbeddedCluster()
    store = try ImageStore(
      outputPath: scratch / "out", csvPath: scratch / "rows.csv", topic: "t", deadLetterSettings: nil, log: lines.log)
    let topic = try store.catalog.topic("t", cluster: "c")
    outbox = try ReceiptOutbox(store.catalog, topic, "t", slot: store.slot)
    events = ConsumerEvents(log: lines.log)
  }

  private var settings: KafkaSettings {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    settings.set("reconnect.backoff.max.ms", "200")
    return settings
  }

  private func feed(patience: Duration = .milliseconds(200)) throws -> ReceiptFeed {
    try ReceiptFeed(outbox, settings, source: "t", patience: patience, events: events)
  }

  /// Writes receipts like a transaction. Their ranges are their numbers.
  private func write(_ numbers: Range<Int64>) throws {
    #expect(try store.catalog.database.tryBegin())
    let change = try outbox.write(
      numbers.map { Receipt(output: "o", topic: "t", partition: 0, offsets: $0..<$0 + 1, time: 1) })
    try store.catalog.database.commit()
    outbox.committed(change)
  }

  /// The numbers of the receipts that have arrived.
  private func arrived() throws -> [Int64] {
    var numbers: [Int64] = []
    for partition in 0..<Int32(4) {
      let scan = try PartitionScan(settings, topic: "t-receipts", partition: partition, timeout: .seconds(10))
      while let message = try scan.next(timeout: .seconds(10)) {
        numbers.append(try Receipt(value: #require(message.value)).offsets.lowerBound)
      }
    }
    return numbers
  }

  /// Works like an idle consumer until nothing is left.
  private func runUntilSent(_ feed: ReceiptFeed) -> Bool {
    eventually {
      feed.advance()
      return outbox.count == outbox.removable
    }
  }

  @Test("receipts arrive in their order and are removed") func receiptsArriveInOrder() throws {
    let feed = try feed()
    try write(0..<1_500)
    #expect(events.now.receiptsWaiting == 0, "nothing was there at the start")
    #expect(runUntilSent(feed))
    try write(1_500..<1_501)
    feed.finish()
    #expect(try arrived() == (0..<1_501).map { Int64($0) })
    #expect(try outbox.count == 0 && outbox.rows(after: 0, atMost: 10).isEmpty)
    #expect(events.now.receiptsSent == 1_501 && events.now.receiptsWaiting == 0)
    #expect(lines.entries.events("receipts_waiting").isEmpty)
  }

  @Test("receipts of an earlier run are sent") func earlierReceiptsAreSent() throws {
    try write(0..<20)
    let feed = try feed()
    #expect(events.now.receiptsWaiting == 20)
    feed.finish()
    #expect(try arrived() == (0..<20).map { Int64($0) })
  }

  @Test("a broker that is away delays receipts, and the wait is logged") func absentBrokerDelaysReceipts() throws {
    let feed = try feed()
    try write(0..<1)
    #expect(runUntilSent(feed))
    cluster.setDown(true)
    try write(1..<2_000)
    let isLogged = eventually {
      feed.advance()
      return lines.entries.hasEvent("receipts_waiting", ["waiting": "1999"])
    }
    #expect(isLogged, "\(lines.all)")
    cluster.setDown(false)
    #expect(runUntilSent(feed))
    #expect(try Set(arrived()) == Set((0..<2_000).map { Int64($0) }))
  }

  @Test("the end of a run waits for an absent broker only for a moment") func endDoesNotWaitLong() throws {
    let feed = try feed()
    try write(0..<1)
    #expect(runUntilSent(feed))
    cluster.setDown(true)
    try write(1..<3)
    let begun = MonotonicClock.now
    feed.finish()
    #expect(MonotonicClock.now - begun < .seconds(15))
    #expect(try outbox.count == 2 && outbox.rows(after: 0, atMost: 10).count == 2)
  }

  @Test("refused receipts are sent again, the others once") func refusedReceiptsAreRepeated() throws {
    let feed = try feed()
    try write(0..<1)
    #expect(runUntilSent(feed))
    // TOPIC_AUTHORIZATION_FAILED
    cluster.failNextRequests(api: 0, errors: [29])
    try write(1..<50)
    #expect(runUntilSent(feed), "\(lines.all)")
    #expect(lines.entries.hasEvent("receipts_waiting", ["error": "TOPIC_AUTHORIZATION_FAILED"]), "\(lines.all)")
    #expect(try arrived().sorted() == (0..<50).map { Int64($0) })
  }

  @Test("receipts wait until their topic exists") func missingTopicIsAwaited() throws {
    // UNKNOWN_TOPIC_OR_PART
    cluster.setTopicError("t-receipts", 3)
    var settings = settings
    settings.set("topic.metadata.propagation.max.ms", "100")
    let feed = try ReceiptFeed(outbox, settings, source: "t", patience: .milliseconds(200), events: events)
    try write(0..<5)
    let isLogged = eventually {
      feed.advance()
      return lines.entries.hasEvent("receipts_waiting")
    }
    #expect(isLogged, "\(lines.all)")
    #expect(outbox.count == 5)
    cluster.setTopicError("t-receipts", 0)
    #expect(runUntilSent(feed), "\(lines.all)")
    #expect(try arrived().sorted() == (0..<5).map { Int64($0) })
  }
}
