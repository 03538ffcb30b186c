import TestSupport
import Testing

@testable import Consumer
@testable import DeadLetters
@testable import Kafka
@testable import Output
@testable import Platform
@testable import Wire

/// Dead letters that turn out to be needed inside the catalog's transaction and are sent after it.
extension StoreLettersTests {
  @Test("no dead letter is sent while the lock is held", arguments: ["name", "name from segments", "hash", "mismatch"])
  func lettersAreSentWithoutTheLock(kind: String) throws {
    // Nobody listens there: letters wait for their whole time.
    let store = try store(letters: "127.0.0.1:1")
    let other = try self.store()
    try scratch.write("out/cat", "a file")
    let bad =
      switch kind {
      case "name": [image("cat/1.jpg", "bad")]
      case "name from segments": segments("cat/1.jpg", "bad one")
      case "hash": segments("bad.jpg", "bad one", digest: digest(of: "another"))
      default: [segments("bad.jpg", "bad one")[0], segments("other.jpg", "bad one", id: "id of bad one")[1]]
      }
    let batch = try batch(store, [image("good.jpg", "good")] + bad + [image("last.jpg", "last")])
    guard case .stored(let stored) = try store.store(batch, whileWaiting: { true }), let rest = stored.remainder.rest
    else {
      Issue.record("nothing was stored before the letter")
      return
    }
    #expect(stored.images.map(\.name) == ["good.jpg"])
    #expect(stored.letters == 0)
    var isFree = false
    store.letters.whileWaiting = {
      isFree = (try? other.catalog.database.tryBegin()) == true
      other.catalog.database.rollback()
      return false
    }
    guard case .givenUp = try store.store(rest, whileWaiting: { true }) else {
      Issue.record("the letters were not waited for")
      return
    }
    #expect(isFree)
    // Nothing is lost: the next attempt sends the letters.
    store.letters.whileWaiting = { true }
    let last = try storeAll(rest, in: store)
    #expect(last.flatMap(\.images).map(\.name) == ["last.jpg"])
    #expect(last.reduce(0) { $0 + $1.letters } == (kind == "mismatch" ? 1 : bad.count))
    store.letters.close()
  }

  @Test("missing segments expire without the lock") func segmentsExpireWithoutTheLock() throws {
    let store = try store(letters: "127.0.0.1:1")
    let other = try self.store()
    let batch = try batch(store, [segments("a.jpg", "an image")[0]])
    _ = try storeAll(batch, in: store)
    var isFree = false
    store.letters.whileWaiting = {
      isFree = (try? other.catalog.database.tryBegin()) == true
      other.catalog.database.rollback()
      return false
    }
    #expect(try store.expire(batch.topic, "t", after: .seconds(-1), in: [0]) == nil)
    #expect(isFree)
    #expect(try store.catalog.allAssemblies().count == 1)
    store.letters.close()
  }

  @Test("a segment that arrives while its dead letters are sent keeps its image") func lateSegmentKeepsItsImage() throws
  {
    let store = try store()
    let batch = try batch(store, [segments("a.jpg", "an image")[0]])
    _ = try storeAll(batch, in: store)
    let assembly = try #require(try store.catalog.allAssemblies().first)
    let reread = store.assembler.reread
    // The store retains this closure.
    store.assembler.reread = { [unowned store] topic, partition, offset in
      try store.catalog.transaction {
        _ = try store.catalog.add(
          Catalog.Part(number: 1, size: 4, partition: 0, offset: 1), to: assembly, of: batch.topic,
          time: WallClock.milliseconds + 60_000
        )
      }
      return try reread(topic, partition, offset)
    }
    #expect(try store.expire(batch.topic, "t", after: .seconds(-1), in: [0]) == nil)
    #expect(try store.catalog.allAssemblies().count == 1)
    #expect(try reasons == ["SegmentTimeout"])
  }

  @Test("the dead letters of a batch are sent together") func batchSendsLettersTogether() throws {
    let store = try store()
    try scratch.write("out/cat", "a file")
    let batch = try batch(
      store, (0..<6).flatMap { [image("cat/\($0).jpg", "\($0)"), image("dog/\($0).jpg", "\($0)")] })
    let transactions = try storeAll(batch, in: store)
    // One transaction to find the first, one for the others.
    #expect(transactions.map(\.images.count) == [0, 6])
    #expect(transactions.map(\.letters) == [0, 6])
    #expect(transactions.last?.positions[0]?.next == 12)
    #expect(try letters.map { $0.record.origin?.offset } == [0, 2, 4, 6, 8, 10])
    #expect(try scratch.names("out/dog").count == 6)
    #expect(try scratch.names("out/.image-pipeline/consumer-1/incoming") == [])
  }

  @Test("a retried batch sends no dead letter twice") func retriedBatchSendsNoLetterTwice() throws {
    let store = try store()
    let batch = try batch(store, [("../x", [1], ImageHeaders(digest: nil, length: nil)), image("a.jpg", "a")])
    let other = try self.store()
    #expect(try other.catalog.database.tryBegin())
    guard case .givenUp = try store.store(batch, whileWaiting: { false }) else {
      Issue.record("the lock was not waited for")
      return
    }
    other.catalog.database.rollback()
    #expect(try storeAll(batch, in: store).map(\.letters) == [1])
    #expect(lines.entries.events("message_dead_lettered").count == 1)
  }

  /// Kafka accepts one of two letters, and the disk refuses the other.
  @Test("dead letters that Kafka has are not sent again if the disk fails", arguments: ["names", "segments"])
  func failingDiskResendsNothing(of kind: String) throws {
    try cluster.createTopic("t-dlq", partitions: 4)
    let store = try store(letters: cluster.bootstrapServers)
    defer { store.letters.close() }
    store.deadLetters.patience = .seconds(10)
    store.assembler.mostLetters = 1
    let bad =
      kind == "names"
      // On two partitions, so that each needs its own request.
      ? [image("../1", "a"), image("../2", "b")] : segments("a.jpg", "put together", digest: digest(of: "another"))
    var next = try batch(store, bad)
    if kind == "segments" {
      guard case .stored(let stored) = try store.store(next, whileWaiting: { true }), let rest = stored.remainder.rest
      else {
        Issue.record("there was no obstacle")
        return
      }
      next = rest
    }
    let incoming = try Folder.open(scratch / "out/.image-pipeline/consumer-1/incoming")
    _ = try incoming.folder("letter.part", creating: true)
    // The second is not authorized.
    cluster.failNextRequests(api: 0, errors: [0, 29])
    #expect(throws: SystemError.self) { try store.store(next, whileWaiting: { true }) }
    try incoming.removeFolder("letter.part")
    #expect(try storeAll(next, in: store).reduce(0) { $0 + $1.letters } == 2)
    let offsets = try offsetsInLetterTopic + letters.map { $0.record.error("offset") ?? "" }
    #expect(offsets.sorted() == ["0", "1"], "\(lines.all)")
    #expect(lines.entries.events("message_dead_lettered").count == 2)
  }

  /// The leader of a new letter topic may refuse one request and accept the next.
  @Test("a dead letter whose arrival is only inferred is sent again") func inferredLetterIsSentAgain() throws {
    try cluster.createTopic("t-dlq", partitions: 1)
    let store = try store()
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    settings.set("batch.num.messages", "1")
    let sender = try AcknowledgedSender(settings, patience: .seconds(10))
    defer { sender.close() }
    let all = try batch(store, [image("../1", "a"), image("../2", "b"), image("../3", "c")])
    let reason = BadMessage(stage: .storing, kind: "NameRefusal", description: "refused")
    let records = all.messages.map { DeadLetter(message: $0, reason: reason).record }
    cluster.failNextRequests(api: 0, errors: [6])
    #expect(sender.send(records, to: "t-dlq", whileWaiting: { true })?.map { $0?.reason } == [nil, nil, nil])
    #expect(try offsetsInLetterTopic.sorted() == ["0", "1", "2"])
  }

  private var offsetsInLetterTopic: [String] {
    get throws {
      var settings = KafkaSettings()
      settings.set("bootstrap.servers", cluster.bootstrapServers)
      var offsets: [String] = []
      let client = try KafkaProducer(settings) { _ in }
      defer { client.close() }
      let partitions = try client.partitionCount(of: "t-dlq", timeout: .seconds(10)) ?? 0
      for partition in 0..<Int32(partitions) {
        let scan = try PartitionScan(settings, topic: "t-dlq", partition: partition, timeout: .seconds(10))
        while let message = try scan.next(timeout: .seconds(10)) {
          offsets.append(LetterRecord(message).error("offset") ?? "")
        }
      }
      return offsets
    }
  }

  @Test("a crash after the dead letters sends them again and loses nothing") func crashAfterLettersLosesNothing() throws
  {
    try scratch.write("out/cat", "a file")
    let wrong = segments("bad.jpg", "bad one", digest: digest(of: "another"))
    let messages = [wrong[0], image("cat/1.jpg", "1"), wrong[1], image("good.jpg", "good")]
    var first: ImageStore? = try store()
    let batch = try batch(first!, messages)
    guard case .stored(let stored) = try first!.store(batch, whileWaiting: { true }), let rest = stored.remainder.rest
    else {
      Issue.record("nothing was stored before the letter")
      return
    }
    // Its letter is sent, but the position is before it: the process ends here.
    #expect(try first!.deliverLetters(of: rest))
    #expect(try reasons == ["NameRefusal"])
    first = nil
    let second = try store()
    let position = try second.catalog.position(batch.topic, partition: 0)
    #expect(position?.next == 1)
    let again = ImageStore.Batch(
      topic: batch.topic, messages: Array(batch.messages.dropFirst()), base: [0: position])
    #expect(try storeAll(again, in: second).reduce(0) { $0 + $1.letters } == 3)
    #expect(try reasons == ["DigestMismatch", "NameRefusal", "DigestMismatch"])
    #expect(try scratch.read("out/good.jpg") == "good")
    #expect(try second.catalog.allAssemblies().isEmpty)
    #expect(try scratch.names("out/.image-pipeline/segments") == [])
  }

  /// In a single transaction, a crash between rename and commit would leave no segments to assemble again.
  @Test("whole and segmented versions of an image get separate transactions") func mixedVersionsAreSeparate() throws {
    let store = try store()
    let parts = segments("a.jpg", "the second version")
    let batch = try batch(store, [image("a.jpg", "the first"), parts[0], parts[1], image("a.jpg", "the third")])
    let transactions = try storeAll(batch, in: store)
    #expect(transactions.map(\.images.count) == [1, 1, 1])
    #expect(try scratch.read("out/a.jpg") == "the third")
    #expect(try scratch.read("rows.csv").split(separator: "\n").count == 4)
    #expect(try letters.isEmpty)
  }

  @Test("versions of an image survive a failure between rename and commit") func versionsSurviveFailedCommit() throws {
    let store = try store()
    let parts = segments("a.jpg", "put together")
    let all = try batch(store, [parts[0], image("a.jpg", "before"), parts[1], image("a.jpg", "behind")])
    _ = try storeAll(
      ImageStore.Batch(topic: all.topic, messages: Array(all.messages.prefix(1)), base: [0: nil]), in: store)
    let position = try store.catalog.position(all.topic, partition: 0)
    var next: ImageStore.Batch? = ImageStore.Batch(
      topic: all.topic, messages: Array(all.messages.dropFirst()), base: [0: position])
    var stored: [String] = []
    while let batch = next {
      try failAtTheCSVFile(batch, in: store)
      guard case .stored(let done) = try store.store(batch, whileWaiting: { true }) else { break }
      stored += done.images.map(\.name)
      next = done.remainder.rest
    }
    #expect(try reasons == [])
    #expect(stored == ["a.jpg", "a.jpg", "a.jpg"])
    #expect(try scratch.read("out/a.jpg") == "behind")
  }

  /// Findings of a failed transaction must not be applied to another message in the retry.
  @Test(
    "a batch that fails after a dead letter is retried completely",
    arguments: ["a whole image", "a segment of another"])
  func failedBatchIsRetriedWhole(first: String) throws {
    let store = try store()
    let bad = segments("bad.jpg", "bad one", digest: digest(of: "another"))
    let good = first == "a whole image" ? [image("good.jpg", "good")] : segments("good.jpg", "good")
    let batch = try batch(store, [good[0], bad[0], bad[1]] + good.dropFirst())
    try failAtTheCSVFile(batch, in: store)
    let transactions = try storeAll(batch, in: store)
    #expect(transactions.flatMap(\.images).map(\.name) == ["good.jpg"])
    #expect(transactions.reduce(0) { $0 + $1.letters } == 2)
    #expect(try scratch.read("rows.csv").split(separator: "\n").count == 2)
    #expect(try store.catalog.entry("good.jpg") != nil)
    #expect(try reasons == ["DigestMismatch", "DigestMismatch"])
    #expect(try letters.map { $0.record.origin?.offset } == [1, 2])
    #expect(try store.catalog.allAssemblies().isEmpty)
  }

  @Test("a topic with the longest name has its dead letters on disk") func longestTopicUsesDisk() throws {
    let name = String(repeating: "n", count: 249)
    try cluster.createTopic(name, partitions: 1)
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    let producer = try KafkaProducer(settings) { _ in }
    _ = try producer.send(topic: name, key: nil, copying: nil, headers: [], token: 0)
    #expect(producer.flush(timeout: .seconds(10)))
    producer.close()
    let message = try #require(
      try PartitionReader.read(settings, topic: name, partition: 0, offset: 0, timeout: .seconds(10)))
    let store = try store()
    let reason = BadMessage(stage: .conversion, kind: "k", description: "d")
    #expect(try store.letters.deliver([DeadLetter(message: message, reason: reason)]))
    #expect(try letters.map { $0.record.origin?.topic } == [name])
  }
}
