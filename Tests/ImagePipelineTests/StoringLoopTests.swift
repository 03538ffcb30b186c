import Kafka
import Platform
import Testing

@testable import ImagePipeline

/// A batch that is prepared ahead is nothing without the one before it.
@Suite(.serialized) struct StoringLoopTests {
  private let scratch: Scratch
  private let cluster: EmbeddedCluster
  private let lines = LogLines()

  init() throws {
    scratch = try Scratch()
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
    #expect(producer.flush(timeoutMilliseconds: 10_000))
  }

  private var temporaries: [String] {
    (try? scratch.names("out/.image-pipeline/consumer-1/incoming"))?.sorted() ?? []
  }

  private func eventually(_ condition: () -> Bool) -> Bool {
    let deadline = Clock.monotonicMilliseconds + 30_000
    while !condition() {
      if Clock.monotonicMilliseconds >= deadline { return false }
      Clock.sleep(milliseconds: 5)
    }
    return true
  }

  /// Runs a consumer until `stop` is set; returns what it ended with.
  private func start(_ stop: StopFlag) -> BackgroundTask<Void> {
    BackgroundTask { [settings, lines] in
      let events = ConsumerEvents(log: lines.log)
      try ConsumerService(settings, log: lines.log, events: events, stop: stop).run()
    }
  }

  @Test func aBatchIsNotStoredWhereTheOneBeforeItWasGivenUp() throws {
    // Makes the catalog.
    _ = try ImageStore(
      outputPath: settings.outputPath, csvPath: settings.csvPath, topic: "images", deadLetterSettings: nil,
      log: lines.log)
    let catalog = try Catalog(in: Folder.open(scratch / "out/.image-pipeline"), exclusive: false)
    _ = try catalog.topic("images", cluster: "c")
    let stop = StopFlag()
    let run = start(stop)
    // From here on it needs the lock for nothing but what comes.
    #expect(eventually { lines.all.contains { $0.contains("partitions assigned") } })
    #expect(try catalog.database.tryBegin())
    try send(["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
    let areReady = eventually { temporaries.contains("1-0.part") && temporaries.contains("2-0.part") }
    #expect(areReady, "\(temporaries) \(lines.all)")
    stop.set()
    // The first batch waited for the lock, and does not any more.
    #expect(eventually { !temporaries.contains("1-0.part") })
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
}
