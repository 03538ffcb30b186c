import TestSupport
import Testing

@testable import Configuration
@testable import Consumer
@testable import Kafka
@testable import Output
@testable import Platform
@testable import SQLite

/// A batch that is prepared ahead is nothing without the one before it.
@Suite(.serialized) struct BatchPipelineTests {
  private let scratch: TestFolder
  private let cluster: EmbeddedCluster
  private let lines = LogLines()

  init() throws {
    scratch = TestFolder()
    cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
  }

  private var settings: ConsumerSettings {
    var kafka = KafkaSettings()
    kafka.set("bootstrap.servers", cluster.bootstrapServers)
    kafka.set("group.id", "group")
    // A static member's place is kept for it for so long.
    kafka.set("session.timeout.ms", "4000")
    kafka.set("heartbeat.interval.ms", "500")
    var settings = ConsumerSettings(
      topic: "images", outputPath: scratch / "out", csvPath: scratch / "rows.csv", kafka: kafka)
    settings.embeddedCluster = "c"
    // Two batches.
    settings.batchImages = 2
    return settings
  }

  private func send(_ names: [String]) throws {
    let producer = try KafkaProducer(settings.kafka) { _ in }
    defer { producer.close() }
    for name in names {
      try Array(name.utf8).withUnsafeBytes { key in
        try envelope(name, Array(name.utf8)).withUnsafeBytes { value in
          _ = try producer.send(topic: "images", key: key, copying: value, headers: [], token: 0)
        }
      }
    }
    #expect(producer.flush(timeout: .seconds(10)))
  }

  private var temporaries: [String] {
    (try? scratch.names("out/.image-pipeline/consumer-1/incoming"))?.sorted() ?? []
  }

  /// Runs a consumer until `stop` is set; returns what it ended with.
  private func start(_ stop: StopFlag) -> BackgroundTask<Void> {
    BackgroundTask { [settings, lines] in
      let events = ConsumerEvents(log: lines.log)
      try ConsumerService(settings, log: lines.log, events: events, stop: stop).run()
    }
  }

  @Test("a batch is not stored if the one before was dropped") func batchNeedsThePreviousOne() throws {
    // Makes the catalog.
    _ = try ImageStore(
      outputPath: settings.outputPath, csvPath: settings.csvPath, topic: "images", deadLetterSettings: nil,
      log: lines.log)
    let catalog = try Catalog(in: Folder.open(scratch / "out/.image-pipeline"), exclusive: false)
    _ = try catalog.topic("images", cluster: "c")
    let stop = StopFlag()
    let run = start(stop)
    // From here on it needs the lock for nothing but what comes.
    #expect(eventually { lines.entries.hasEvent("partitions_assigned") })
    #expect(try catalog.database.tryBegin())
    try send(["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
    let areReady = eventually { temporaries.contains("0-0.part") && temporaries.contains("1-0.part") }
    #expect(areReady, "\(temporaries) \(lines.all)")
    stop.set()
    // The first batch waited for the lock, and does not any more.
    #expect(eventually { !temporaries.contains("0-0.part") })
    catalog.database.rollback()
    try run.finish()
    #expect(temporaries == [])
    let topic = try catalog.topic("images", cluster: "c")
    #expect(try catalog.position(topic, partition: 0) == nil, "what came behind it was stored")
    #expect(try scratch.names("out") == [".image-pipeline"])

    // Nothing is lost.
    let again = StopFlag()
    let next = start(again)
    #expect(eventually { (try? catalog.position(topic, partition: 0))??.next == 4 })
    again.set()
    try next.finish()
    #expect(try scratch.names("out").filter { $0.hasSuffix(".jpg") }.sorted() == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
  }

  // MARK: Loops of their own

  /// What a loop was given to prepare: offsets, and whether their messages may be given back.
  private final class Begun {
    var offsets: [[Int64]] = []
    var releasing: [Bool] = []
    var fetched = 0
  }

  /// Runs a loop of its own until `count` images are stored, or for 30 s.
  /// - Parameters:
  ///   - begin: called for each batch before it is prepared, with its number; what it returns stands in for the preparation.
  ///   - meanwhile: run on another thread.
  private func run(
    until count: Int, batch: Int = 2, _ begin: (Int, SessionDriver, Preparation) throws -> Preparation = { $2 },
    meanwhile: @escaping @Sendable () -> Void = {},
    receipts: (ImageStore, ConsumerEvents) throws -> ReceiptFeed? = { _, _ in nil }
  ) throws -> Begun {
    var settings = settings
    settings.count = count
    settings.batchImages = batch
    let (stop, isOver, begun) = (StopFlag(), StopFlag(), Begun())
    let events = ConsumerEvents(log: lines.log)
    let store = try ImageStore(
      outputPath: settings.outputPath, csvPath: settings.csvPath, topic: "images", deadLetterSettings: nil,
      log: lines.log)
    let consumer = try KafkaConsumer(settings.kafka, topic: "images")
    defer { consumer.unsubscribeAndClose() }
    let driver = try SessionDriver(
      consumer: consumer, positions: store.catalog, cluster: "c", topic: "images", events: events, log: lines.log)
    let receipts = try receipts(store, events)
    defer { receipts?.finish() }
    let watch = BackgroundTask {
      meanwhile()
      if !isOver.wait(for: .seconds(30)) { stop.set() }
    }
    defer {
      isOver.set()
      try? watch.finish()
    }
    try driver.subscribe()
    try withoutActuallyEscaping(begin) { begin in
      let pipeline = BatchPipeline(
        driver, store, settings, receipts: receipts, log: lines.log, events: events, stop: stop
      ) {
        batch, releasing in
        begun.offsets.append(batch.messages.map(\.offset))
        begun.releasing.append(releasing)
        let preparation = store.begin(batch, releasing: releasing)
        do { return try begin(begun.offsets.count, driver, preparation) } catch {
          Issue.record(error)
          return preparation
        }
      }
      try pipeline.run(patience: .seconds(30))
    }
    begun.fetched = driver.fetched
    #expect(!stop.isSet, "\(begun.offsets) \(lines.all)")
    return begun
  }

  private var stored: [String] { (try? scratch.names("out").filter { $0.hasSuffix(".jpg") }) ?? [] }
  private var rows: Int { ((try? scratch.read("rows.csv")) ?? "").split(separator: "\n").count - 1 }

  @Test("in a run without faults, no message is fetched or prepared twice", arguments: [7, 1_024])
  func nothingIsDoneTwice(batch: Int) throws {
    let count = 1_500
    try send((0..<count).map { "\($0).jpg" })
    let begun = try run(until: count, batch: batch)
    #expect(stored.count == count && rows == count)
    #expect(begun.fetched == count)
    #expect(begun.offsets.joined().sorted() == (0..<Int64(count)).map { $0 })
  }

  @Test("what is read again is stored although an old batch is still being prepared") func lateBatchIsVoid() throws {
    try send(["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
    let isLate = StopFlag()
    let begun = try run(until: 4) { number, driver, preparation in
      guard number == 1 else {
        isLate.set()
        return preparation
      }
      // The partition ends before its beginning: so ends the one of a topic that was re-created.
      try driver.handle(.endOfPartition(0, offset: -1))
      return Preparation {
        #expect(isLate.wait(for: .seconds(30)))
        return try preparation.finish()
      }
    }
    #expect(begun.offsets.prefix(2) == [[0, 1], [0, 1]])
    #expect(stored == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"] && rows == 4)
    #expect(temporaries == [])
  }

  @Test("an image with an impossible name is one dead letter, the others are stored") func badNameIsOneLetter() throws {
    _ = try scratch.makeFolder("out/2.jpg")
    try send(["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
    let begun = try run(until: 3)
    #expect(stored == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"] && rows == 3)
    #expect(try scratch.names("out/.image-pipeline/dead-letters").count == 1)
    #expect(begun.releasing.first == true && begun.releasing.last == false, "read again, its messages are kept")
    #expect(temporaries == [])
  }

  @Test("messages are read again if the disk fails after preparation") func failedDiskRereadsMessages() throws {
    try send(["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
    let csv = scratch / "rows.csv"
    let parent = try Folder.open(scratch.path)
    let begun = try run(until: 4) { number, _, preparation in
      if number == 1 {
        if try FileStatus.of(csv) != nil { try parent.remove("rows.csv") }
        _ = try Folder.create(csv)
      }
      return preparation
    } meanwhile: { [lines] in
      // Twice: of what is kept it is tried again, too.
      _ = eventually { lines.entries.events("batch_failed").count >= 2 }
      try? parent.removeFolder("rows.csv")
    }
    #expect(begun.releasing.first == true && begun.releasing.last == false)
    #expect(stored == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"] && rows == 4)
    #expect(temporaries == [])
  }

  @Test("a consumer that is never idle takes over the receipts of one that is gone") func busyConsumerAdopts() throws {
    try send(["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
    let path = scratch / "out/.image-pipeline/\(Catalog.fileName)"
    func slots() throws -> [Int64] {
      var slots: [Int64] = []
      try Database(reading: path).prepare("SELECT DISTINCT slot FROM receipts ORDER BY slot").each {
        slots.append($0.integer(0))
        return true
      }
      return slots
    }
    _ = try run(until: 4) { number, _, preparation in
      // Only now, after it was idle.
      if number == 1 {
        try Database(path: path, busyTimeout: .seconds(5)).execute(
          "INSERT INTO receipts (topic, slot, key, value) VALUES (1, 7, x'00', x'00')")
      }
      return preparation
    } receipts: { [settings] store, events in
      let outbox = try ReceiptOutbox(
        store.catalog, store.catalog.topic("images", cluster: "c"), "images", slot: store.slot)
      store.outbox = outbox
      // Nobody takes the receipts, so they stay where they are.
      var kafka = settings.kafka
      kafka.set("bootstrap.servers", "127.0.0.1:1")
      return try ReceiptFeed(outbox, kafka, source: "images", upkeepInterval: .zero, events: events)
    }
    #expect(try slots() == [1])
  }
}
