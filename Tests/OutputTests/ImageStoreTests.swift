import Glibc
import OutputSupport
import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import Wire

/// An output without messages: fence, slots, waiting segments.
@Suite struct ImageStoreTests {
  private let scratch: TestFolder
  private let lines = LogLines()
  private let store: ImageStore
  private let topic: Catalog.Topic

  init() throws {
    scratch = TestFolder()
    store = try ImageStore(
      outputPath: scratch / "out", csvPath: scratch / "rows.csv", log: lines.log
    ) { _, _ in InMemoryDeadLetters() }
    topic = try store.catalog.topic("t", cluster: "c")
  }

  private func second() throws -> ImageStore {
    try ImageStore(
      outputPath: scratch / "out", csvPath: scratch / "rows.csv", log: lines.log
    ) { _, _ in InMemoryDeadLetters() }
  }

  private func isFenced(_ outcome: ImageStore.Outcome) -> Bool { if case .fenced = outcome { true } else { false } }
  private func isStored(_ outcome: ImageStore.Outcome) -> Bool { if case .stored = outcome { true } else { false } }
  private func isGivenUp(_ outcome: ImageStore.Outcome) -> Bool { if case .givenUp = outcome { true } else { false } }

  private func batch(_ base: [Int32: Catalog.Position?], generation: Int64 = 1) -> ImageStore.Batch {
    ImageStore.Batch(topic: Catalog.Topic(id: topic.id, generation: generation), messages: [], base: base)
  }

  private func position(_ next: Int64) -> Catalog.Position {
    Catalog.Position(next: next, last: MessageMark(offset: next - 1, timestamp: 5, key: digest(of: "key")))
  }

  @Test("a new output has its folders and the CSV header") func newOutputHasFoldersAndHeader() throws {
    #expect(try scratch.read("rows.csv") == String(decoding: CSVLine.header, as: UTF8.self))
    #expect(try scratch.names("out") == [".image-pipeline"])
    #expect(store.slot.number == 1)
    #expect(lines.all == [])
  }

  @Test("consumers of one output have separate slots and one identity") func consumersHaveOwnSlots() throws {
    let other = try second()
    #expect(other.slot.number == 2)
    #expect(other.catalog.id == store.catalog.id)
  }

  @Test("only a consumer with the current position may store") func positionIsTheFence() throws {
    #expect(isStored(try store.store(batch([0: nil])) { true }))
    try store.catalog.transaction { try store.catalog.set(position(8), topic, partition: 0) }
    #expect(isStored(try store.store(batch([0: position(8)])) { true }))
    #expect(isStored(try store.store(batch([1: nil])) { true }))
    #expect(isFenced(try store.store(batch([0: nil])) { true }))
    #expect(isFenced(try store.store(batch([0: position(7)])) { true }))
    #expect(isFenced(try store.store(batch([1: nil, 0: position(9)])) { true }))
    // The same offset after another message.
    let other = MessageMark(offset: 7, timestamp: 5, key: digest(of: "other"))
    #expect(isFenced(try store.store(batch([0: Catalog.Position(next: 8, last: other)])) { true }))
  }

  @Test("a fenced consumer frees the lock") func fencedConsumerFreesLock() throws {
    #expect(isFenced(try store.store(batch([0: position(8)])) { true }))
    #expect(isStored(try second().store(batch([:])) { true }))
  }

  @Test("a re-created topic fences batches of the old one") func recreationFencesOldBatches() throws {
    try store.catalog.advance(topic)
    #expect(isFenced(try store.store(batch([:])) { true }))
    #expect(isStored(try store.store(batch([:], generation: 2)) { true }))
  }

  @Test("a batch that waits for the lock is dropped when the run ends") func stoppedWaitDropsBatch() throws {
    let other = try second()
    #expect(try other.catalog.database.tryBegin())
    var asked = 0
    let outcome = try store.store(batch([:])) {
      asked += 1
      return asked < 2
    }
    #expect(isGivenUp(outcome))
    #expect(asked == 2)
    other.catalog.database.rollback()
    #expect(isStored(try store.store(batch([:])) { true }))
  }

  // MARK: One CSV file for all

  /// Stores by a path to a folder's file, like a consumer with that working directory.
  private func link(to folder: String) throws {
    _ = try scratch.makeFolder(folder)
    try Folder.open(scratch.path).remove("work")
    try scratch.makeLink("work", to: scratch / folder)
  }

  private func linked() throws -> ImageStore {
    try ImageStore(
      outputPath: scratch / "linked", csvPath: scratch / "work/rows.csv", log: lines.log
    ) { _, _ in InMemoryDeadLetters() }
  }

  private func store(in store: ImageStore) throws {
    let topic = try store.catalog.topic("t", cluster: "c")
    #expect(isStored(try store.store(ImageStore.Batch(topic: topic, messages: [], base: [:])) { true }))
  }

  private func finalError(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch { return CatalogError(behind: error, path: "catalog").map { "\($0)" } }
  }

  @Test("a consumer that finds another CSV file than a running one is refused") func otherCSVFileIsRefused() throws {
    try link(to: "one")
    var first: ImageStore? = try linked()
    try link(to: "two")
    let said = finalError { _ = try linked() }
    #expect(said?.contains("CSV_PATH") == true && said?.contains(scratch / "work/rows.csv") == true, "\(said ?? "")")
    #expect(try scratch.names("two") == [])
    // The same file found by another path is the same file.
    #expect(Glibc.link(scratch / "one/rows.csv", scratch / "two/rows.csv") == 0)
    try store(in: linked())
    try Folder.open(scratch / "two").remove("rows.csv")
    // Nobody is left who could be disturbed.
    try link(to: "one")
    try store(in: try #require(first))
    first = nil
    try link(to: "two")
    try store(in: linked())
    #expect(try scratch.names("two") == ["rows.csv"] && scratch.names("one") == ["rows.csv"])
  }

  @Test("a consumer whose CSV file is exchanged ends") func exchangedCSVFileEndsConsumer() throws {
    try link(to: "one")
    let (first, second) = (try linked(), try linked())
    try store(in: first)
    try link(to: "two")
    #expect(finalError { try store(in: first) }?.contains("CSV_PATH") == true)
    try link(to: "one")
    try store(in: second)
    #expect(try scratch.names("two") == [] && scratch.names("one") == ["rows.csv"])
    #expect(lines.all == [])
  }

  @Test("a re-created CSV file is the same for all consumers") func recreatedCSVFileIsShared() throws {
    try link(to: "one")
    let (first, second) = (try linked(), try linked())
    for _ in 1...2 {
      for store in [first, second] {
        try Folder.open(scratch / "one").remove("rows.csv")
        try self.store(in: store)
        try self.store(in: second)
        try self.store(in: first)
      }
    }
    #expect(try scratch.names("one") == ["rows.csv"])
  }

  // MARK: Segments that wait

  private func addAssembly(_ id: String, partition: Int32, time: Int64) throws -> String {
    let segment = ImageHeaders.Segment(id: id, index: 0, count: 3, position: 0)
    return try store.catalog.transaction {
      let assembly = try store.catalog.addAssembly(
        segment, name: "cat/\(id).jpg", digest: digest(of: id), length: 1_000, topic: topic)
      _ = try store.catalog.add(
        Catalog.Part(number: 0, size: 400, partition: partition, offset: 7), to: assembly, of: topic, time: time)
      try scratch.write("out/.image-pipeline/segments/\(assembly.fileName)", "part")
      return "out/.image-pipeline/segments/\(assembly.fileName)"
    }
  }

  @Test("an incomplete image expires with its missing segments") func incompleteImageExpires() throws {
    let old = try addAssembly("old", partition: 2, time: WallClock.milliseconds - 60_000)
    let young = try addAssembly("young", partition: 2, time: WallClock.milliseconds)
    let expired = try #require(try store.expire(topic, "t", after: .seconds(30), in: [2]))
    #expect(expired.map(\.name) == ["cat/old.jpg"])
    #expect(expired.first?.parts == 1)
    #expect(expired.first?.count == 3)
    #expect(expired.first?.letters == 0)
    #expect(expired.first?.gone == [7])
    #expect(!scratch.exists(old))
    #expect(scratch.exists(young))
    #expect(try store.catalog.allAssemblies().map(\.segmentID) == ["young"])
  }

  @Test("an incomplete image in another consumer's partition is left to it") func foreignPartitionIsLeft() throws {
    let file = try addAssembly("old", partition: 2, time: 0)
    #expect(try store.expire(topic, "t", after: .seconds(30), in: [0, 1])?.isEmpty == true)
    #expect(scratch.exists(file))
    #expect(try store.catalog.allAssemblies().count == 1)
  }

  private func addPart(_ number: Int, partition: Int32, of topic: Catalog.Topic) throws {
    let assembly = try #require(try store.catalog.allAssemblies().first)
    _ = try store.catalog.transaction {
      try store.catalog.add(
        Catalog.Part(number: number, size: 400, partition: partition, offset: 7), to: assembly, of: topic, time: 0)
    }
  }

  @Test(
    "an incomplete image in two consumers' partitions expires by either",
    arguments: [[0], [2], [0, 2]] as [Set<Int32>])
  func sharedImageExpiresByEither(partitions: Set<Int32>) throws {
    let file = try addAssembly("old", partition: 2, time: 0)
    try addPart(1, partition: 0, of: topic)
    #expect(try store.expire(topic, "t", after: .seconds(30), in: [1])?.isEmpty == true)
    #expect(try store.expire(topic, "t", after: .seconds(30), in: partitions)?.map(\.parts) == [2])
    #expect(!scratch.exists(file))
  }

  @Test("an incomplete image of a re-created topic expires by any consumer") func oldTopicsImageExpires() throws {
    let file = try addAssembly("old", partition: 2, time: 0)
    try store.catalog.advance(topic)
    let new = try store.catalog.topic("t", cluster: "c")
    #expect(try store.expire(new, "t", after: .seconds(30), in: [0])?.map(\.gone) == [[7]])
    #expect(!scratch.exists(file))
  }

  @Test("an image that the re-created topic continues is left to its partition's consumer") func continuedImageIsLeft()
    throws
  {
    _ = try addAssembly("old", partition: 2, time: 0)
    try store.catalog.advance(topic)
    let new = try store.catalog.topic("t", cluster: "c")
    try addPart(1, partition: 0, of: new)
    #expect(try store.expire(new, "t", after: .seconds(30), in: [1], partitionCount: { 2 })?.isEmpty == true)
    #expect(try store.expire(new, "t", after: .seconds(30), in: [0])?.map(\.parts) == [2])
  }

  @Test("an incomplete image of a partition that is gone expires by any consumer") func lostPartitionsImageExpires()
    throws
  {
    let file = try addAssembly("old", partition: 2, time: 0)
    #expect(try store.expire(topic, "t", after: .seconds(30), in: [0], partitionCount: { 3 })?.isEmpty == true)
    #expect(try store.expire(topic, "t", after: .seconds(30), in: [0], partitionCount: { 2 })?.count == 1)
    #expect(!scratch.exists(file))
  }

  @Test("nothing expires if the broker does not answer") func silentBrokerExpiresNothing() throws {
    struct NoAnswer: Error {}
    let file = try addAssembly("old", partition: 2, time: 0)
    store.assembler.reread = { _, _, _ in throw NoAnswer() }
    #expect(throws: NoAnswer.self) { try store.expire(topic, "t", after: .seconds(30), in: [2]) }
    #expect(scratch.exists(file))
    #expect(try store.catalog.allAssemblies().map(\.segmentID) == ["old"])
    // The lock is free for others.
    #expect(isStored(try second().store(batch([:])) { true }))
    store.assembler.reread = { _, _, _ in nil }
    #expect(try store.expire(topic, "t", after: .seconds(30), in: [2])?.count == 1)
  }

  @Test("expiry does not wait for the lock") func expiryNeedsNoWait() throws {
    _ = try addAssembly("old", partition: 2, time: 0)
    let other = try second()
    #expect(try other.catalog.database.tryBegin())
    #expect(try store.expire(topic, "t", after: .seconds(30), in: [2]) == nil)
    other.catalog.database.rollback()
    #expect(try store.expire(topic, "t", after: .seconds(30), in: [2])?.count == 1)
  }

  @Test("only old, unused segment files are removed") func oldSegmentFilesAreRemoved() throws {
    let known = try addAssembly("known", partition: 0, time: 0)
    let orphan = try scratch.write("out/.image-pipeline/segments/orphan.part", "x")
    let young = try scratch.write("out/.image-pipeline/segments/young.part", "x")
    var hourAgo = [timeval(tv_sec: time(nil) - 3_600, tv_usec: 0), timeval(tv_sec: time(nil) - 3_600, tv_usec: 0)]
    for path in [orphan, scratch / known] { try #require(utimes(path, &hourAgo) == 0) }
    // The lock's holder may be about to record them.
    let other = try second()
    #expect(try other.catalog.database.tryBegin())
    #expect(try !store.removeOrphans(olderThan: .seconds(60)))
    #expect(try FileStatus.of(orphan) != nil)
    other.catalog.database.rollback()
    #expect(try store.removeOrphans(olderThan: .seconds(60)))
    #expect(isStored(try other.store(batch([:])) { true }))
    #expect(scratch.exists(known))
    #expect(try FileStatus.of(orphan) == nil)
    #expect(try FileStatus.of(young) != nil)
  }
}
