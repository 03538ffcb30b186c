import Synchronization
import TestSupport
import Testing

@testable import Configuration
@testable import Kafka
@testable import Platform
@testable import Producer
@testable import Wire

/// The ledger's marks compared with the topic. Instead of deleting a topic, the ledger records messages that were never
/// in it.
@Suite struct SentTopicTests {
  private let scratch: TestFolder
  private let cluster: EmbeddedCluster
  private let ledger: Ledger
  private let lines = LogLines()
  private let producer: KafkaProducer
  private let sentTopic: SentTopic
  private let settings: ProducerSettings

  private final class Target: Sendable {
    let topic = Mutex<SentTopic?>(nil)
    let reports = Mutex<[DeliveryReport]>([])
  }
  private let target = Target()

  init() throws {
    scratch = TestFolder()
    cluster = try EmbeddedCluster()
    try cluster.createTopic("t", partitions: 2)
    var settings = ProducerSettings(
      input: scratch / "in", topic: "t", stateFolder: scratch / "state", kafka: KafkaProperties([:]).producer)
    settings.kafka.set("bootstrap.servers", cluster.bootstrapServers)
    settings.kafka.set("fetch.wait.max.ms", "20")
    settings.kafka.set("linger.ms", "0")
    self.settings = settings
    ledger = try Ledger(in: scratch / "state", cluster: "c", topic: "t", input: scratch / "in")
    producer = try KafkaProducer(settings.kafka) { [target] report in
      target.reports.withLock { $0.append(report) }
      target.topic.withLock { $0 }?.acknowledged(report, key: "key \(report.token)")
    }
    sentTopic = SentTopic(
      settings, client: producer, ledger: ledger, events: ProducerEvents(log: lines.log, input: scratch / "in"))
    target.topic.withLock { [sentTopic] in $0 = sentTopic }
  }

  private func send(_ numbers: ClosedRange<UInt64>, partition: Int32 = 0) throws {
    for number in numbers {
      let key = Array("key \(number)".utf8)
      _ = try key.withUnsafeBytes {
        try producer.send(topic: "t", partition: partition, key: $0, copying: $0, headers: [], token: number)
      }
    }
    #expect(producer.flush(timeout: .seconds(30)))
  }

  /// Another run with the same ledger.
  private func compare() throws -> [LogEntry] {
    let lines = LogLines()
    let next = SentTopic(
      settings, client: producer, ledger: ledger, events: ProducerEvents(log: lines.log, input: scratch / "in"))
    try next.compare(within: .seconds(20))
    return lines.entries.events("topic_recreated")
  }

  private func end() {
    target.topic.withLock { $0 = nil }
    producer.close()
  }

  @Test("a topic with the acknowledged messages is the same") func matchingTopicIsTheSame() throws {
    defer { end() }
    try sentTopic.compare(within: .seconds(20))
    try send(1...3)
    try send(4...4, partition: 1)
    #expect(sentTopic.last.mapValues(\.offset) == [0: 2, 1: 0])
    try ledger.record([], marks: sentTopic.last)
    #expect(try compare() == [])
    try send(5...6)
    sentTopic.finish(within: .seconds(20))
    #expect(try ledger.marks() == sentTopic.last)
    #expect(try ledger.marks()[0]?.offset == 4)
    #expect(try compare() == [])
    #expect(try !ledger.isTopicNew())
  }

  @Test("a topic that ends before an acknowledged message is another") func shorterTopicIsAnother() throws {
    defer { end() }
    try send(1...3)
    try ledger.record([], marks: [0: MessageMark(offset: 3, timestamp: nil, key: nil)])
    #expect(try compare().count == 1)
    #expect(try ledger.isTopicNew())
    // Whatever the topic holds.
    try send(4...9)
    #expect(try compare().count == 1)
    try ledger.forget()
    #expect(try compare() == [])
  }

  @Test("a topic with a different message at that offset is another", arguments: [true, false])
  func differentMessageMeansAnother(isKeyAnother: Bool) throws {
    defer { end() }
    try send(1...3)
    let mark = try #require(sentTopic.last[0])
    let other = MessageMark(
      offset: 2, timestamp: isKeyAnother ? mark.timestamp : 1, key: isKeyAnother ? digest(of: "other") : mark.key)
    try ledger.record([], marks: [0: other])
    #expect(try compare().count == 1)
  }

  @Test("a topic with fewer partitions is another") func fewerPartitionsMeanAnother() throws {
    defer { end() }
    try ledger.record([], marks: [7: MessageMark(offset: 0, timestamp: nil, key: nil)])
    #expect(try compare().count == 1)
  }

  @Test("an offset that goes back means another topic") func lowerOffsetMeansAnother() throws {
    defer { end() }
    try ledger.record([], marks: [0: MessageMark(offset: 0, timestamp: nil, key: nil)])
    try send(1...1, partition: 1)
    // As if nobody had checked since.
    try sentTopic.compare(within: .zero)
    try send(2...2)
    #expect(lines.entries.hasEvent("topic_recreated"))
    sentTopic.finish(within: .zero)
    #expect(try ledger.isTopicNew())
  }

  /// An image sent to a re-created topic gets an offset after the mark.
  @Test("messages sent to a re-created topic do not hide its re-creation") func newMessagesDoNotHideIt() throws {
    defer { end() }
    try send(1...3)
    try ledger.record([], marks: [0: MessageMark(offset: 1, timestamp: 1, key: digest(of: "gone"))])
    // Nobody has checked.
    try sentTopic.compare(within: .zero)
    try send(4...6)
    try ledger.record([], marks: sentTopic.last)
    #expect(!lines.entries.hasEvent("topic_recreated"))
    sentTopic.finish(within: .seconds(20))
    #expect(lines.entries.hasEvent("topic_recreated"))
    #expect(try ledger.isTopicNew())
  }

  @Test("a topic that is re-created a second time is noticed", arguments: [false, true])
  func secondRecreationIsNoticed(isSameRun: Bool) throws {
    defer { end() }
    try makeOutputKnown()
    try send(1...3)
    try ledger.record([], marks: [0: MessageMark(offset: 3, timestamp: nil, key: nil)])
    try sentTopic.compare(within: .seconds(20))
    #expect(try ledger.isTopicNew() && ledger.marks() == [:])
    // The new topic's messages are its marks.
    try send(4...5)
    try ledger.record([line("a.jpg")], marks: sentTopic.last)
    #expect(try ledger.marks()[0]?.offset == 4)
    #expect(try compare().count == 1 && ledger.marks() != [:], "an earlier run has found it")
    if isSameRun {
      try sentTopic.acknowledged(#require(target.reports.withLock { $0 }.first), key: "key 1")
      sentTopic.finish(within: .zero)
      #expect(lines.entries.events("topic_recreated").count == 2, "\(lines.all)")
    } else {
      try ledger.advance([0: MessageMark(offset: 9, timestamp: nil, key: nil)])
      #expect(try compare().count == 2)
    }
    #expect(try ledger.isTopicNew() && ledger.marks() == [:])
    #expect(try ledger.line("a.jpg")?.state == .lost)
  }

  @Test("lost images are looked at again when the ledger has them") func lostImagesAreAnnounced() throws {
    defer { end() }
    try ledger.record([line("a.jpg")], marks: [0: MessageMark(offset: 7, timestamp: nil, key: nil)])
    try makeOutputKnown()
    try sentTopic.compare(within: .zero)
    try send(1...1)
    let (status, ending) = (ReceiptStatus(), StopFlag())
    let watch = BackgroundTask { [sentTopic] in sentTopic.watch(until: ending, status) }
    #expect(eventually { status.losing.withLock { $0 } == .recorded(after: "") })
    ending.set()
    try watch.finish()
    #expect(try ledger.paths(.lost, limit: 9) == ["a.jpg"])
  }

  /// Without receipts nothing is found to be lost.
  private func makeOutputKnown() throws {
    _ = try ledger.apply([], needed: 1, passed: [PassedPosition(output: "o", partition: 1, next: 0)])
  }

  private func line(_ path: String) -> (path: String, line: Ledger.Line) {
    let stamp = FileStamp(size: 1, modified: 2, changed: 3, inode: 4)
    let delivery = Ledger.Delivery(partition: 0, offset: 7, seen: 1, sent: 2, acknowledged: 3)
    return (path, Ledger.Line(stamp: stamp, digest: digest(of: path), delivery: delivery))
  }

  @Test("a missing broker delays and decides nothing") func missingBrokerDecidesNothing() throws {
    defer { end() }
    try send(1...3)
    try ledger.record([], marks: sentTopic.last)
    cluster.setDown(true)
    let start = ContinuousClock.now
    try sentTopic.compare(within: .milliseconds(500))
    #expect(ContinuousClock.now - start < .seconds(5))
    #expect(!lines.entries.hasEvent("topic_recreated"))
    #expect(try !ledger.isTopicNew())
  }

  /// Reports of two clients arrive in any order; those of one client arrive in its messages' order.
  @Test("only an offset that goes back for one client means another topic", arguments: [true, false])
  func onlyOneClientsOrderCounts(areTwo: Bool) throws {
    defer { end() }
    let reports = Mutex<[DeliveryReport]>([])
    let client = try KafkaProducer(settings.kafka) { report in reports.withLock { $0.append(report) } }
    defer { client.close() }
    for token in [UInt64(1), 2] {
      try Array("key".utf8).withUnsafeBytes { key in
        _ = try client.send(topic: "t", partition: 0, key: key, copying: key, headers: [], token: token)
      }
    }
    #expect(
      eventually {
        _ = client.flush(timeout: .milliseconds(100))
        return reports.withLock({ $0.count }) >= 2
      })
    let both = reports.withLock { $0 }
    try #require(both.map(\.offset) == [0, 1])
    sentTopic.acknowledged(both[1], key: "key", by: .main)
    sentTopic.acknowledged(both[0], key: "key", by: areTwo ? .compressing : .main)
    #expect(lines.entries.hasEvent("topic_recreated") == !areTwo, "\(lines.all)")
    #expect(sentTopic.last[0]?.offset == 1, "the newest is the mark")
  }
}
