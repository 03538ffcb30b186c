import TestSupport
import Testing

@testable import Consumer
@testable import DeadLetters
@testable import Kafka
@testable import Output
@testable import Platform
@testable import Wire

/// A store with its dead letters: their reasons, when they are sent, and the files meanwhile.
@Suite(.serialized) struct StoreLettersTests {
  let scratch: TestFolder
  let lines = LogLines()
  let cluster: EmbeddedCluster

  init() throws {
    scratch = TestFolder()
    cluster = try EmbeddedCluster()
    try cluster.createTopic("t", partitions: 1)
  }

  /// - Parameter broker: the broker for dead letters; nil: disk.
  func store(letters broker: String? = nil) throws -> ImageStore {
    var settings: KafkaSettings?
    if let broker {
      settings = KafkaSettings()
      settings?.set("bootstrap.servers", broker)
    }
    let store = try ImageStore(
      outputPath: scratch / "out", csvPath: scratch / "rows.csv", topic: "t", deadLetterSettings: settings,
      log: lines.log)
    (store.deadLetters.patience, store.deadLetters.answerTimeout) = (.seconds(1), .milliseconds(100))
    let bootstrap = cluster.bootstrapServers
    store.assembler.reread = { topic, partition, offset in
      var settings = KafkaSettings()
      settings.set("bootstrap.servers", bootstrap)
      return try PartitionReader.read(
        settings, topic: topic, partition: partition, offset: offset, timeout: .seconds(10))
    }
    return store
  }

  typealias Sent = (name: String, bytes: [UInt8], headers: ImageHeaders)

  func image(_ name: String, _ text: String) -> Sent {
    (name, Array(text.utf8), ImageHeaders(digest: digest(of: text), length: text.utf8.count))
  }

  /// Two segments.
  func segments(_ name: String, _ text: String, id: String? = nil, digest wrong: Digest? = nil) -> [Sent] {
    let bytes = Array(text.utf8)
    let half = bytes.count / 2
    return [bytes[..<half], bytes[half...]].enumerated().map { index, part in
      let segment = ImageHeaders.Segment(id: id ?? "id of " + text, index: index, count: 2, position: index * half)
      return (
        name, Array(part), ImageHeaders(digest: wrong ?? digest(of: text), length: bytes.count, segment: segment)
      )
    }
  }

  /// Sends messages through a broker, since messages cannot be created otherwise.
  /// - Parameter earlier: messages that were sent before and are stored.
  func batch(_ store: ImageStore, _ sent: [Sent], after earlier: Int = 0) throws -> ImageStore.Batch {
    let producer = try KafkaProducer(settings) { _ in }
    for one in sent {
      try Array(one.name.utf8).withUnsafeBytes { key in
        try envelope(one.name, one.bytes).withUnsafeBytes { value in
          _ = try producer.send(topic: "t", key: key, copying: value, headers: one.headers.kafkaHeaders, token: 0)
        }
      }
    }
    #expect(producer.flush(timeout: .seconds(10)))
    producer.close()
    let messages = try Array(messages().dropFirst(earlier))
    try #require(messages.count == sent.count)
    let topic = try store.catalog.topic("t", cluster: "c")
    return ImageStore.Batch(
      topic: topic, messages: messages, base: [0: try store.catalog.position(topic, partition: 0)])
  }

  private var settings: KafkaSettings {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    return settings
  }

  /// All messages of the topic, read afresh.
  func messages() throws -> [KafkaMessage] {
    let scan = try PartitionScan(settings, topic: "t", partition: 0, timeout: .seconds(10))
    var messages: [KafkaMessage] = []
    while let message = try scan.next(timeout: .seconds(10)) { messages.append(message) }
    return messages
  }

  /// Stores everything; returns the outcome of each transaction.
  func storeAll(_ batch: ImageStore.Batch, in store: ImageStore) throws -> [ImageStore.Stored] {
    var transactions: [ImageStore.Stored] = []
    var next: ImageStore.Batch? = batch
    while let batch = next {
      guard case .stored(let stored) = try store.store(batch, whileWaiting: { true }) else {
        Issue.record("it was not stored")
        break
      }
      transactions.append(stored)
      next = stored.remainder.rest
    }
    return transactions
  }

  /// Fails when the CSV file cannot be written, after the files were renamed, like a crash.
  func failAtTheCSVFile(_ batch: ImageStore.Batch, in store: ImageStore) throws {
    let csv = try scratch.read("rows.csv")
    try Folder.open(scratch.path).remove("rows.csv")
    _ = try scratch.makeFolder("rows.csv")
    #expect(throws: SystemError.self) { try store.store(batch, whileWaiting: { true }) }
    try Folder.open(scratch.path).removeFolder("rows.csv")
    try scratch.write("rows.csv", csv)
  }

  var letters: [LetterFile] {
    get throws {
      try scratch.names("out/.image-pipeline/dead-letters").map {
        try LetterFile.read(try File.open(scratch / "out/.image-pipeline/dead-letters/\($0)", .read))
      }.sorted { $0.record.origin!.offset < $1.record.origin!.offset }
    }
  }

  var letterKeys: [String] {
    get throws {
      let keys = try letters.map { $0.record.key.map(Array.init) ?? [] }
      return keys.map { String(decoding: $0, as: UTF8.self) }
    }
  }

  var reasons: [String] { get throws { try letters.map { $0.record.error("exception.class.name") ?? "" } } }
}
