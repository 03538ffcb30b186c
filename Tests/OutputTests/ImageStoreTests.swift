import Glibc
import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import Wire

/// An output as far as it goes without messages: fence, slots, segments that wait.
@Suite struct ImageStoreTests {
  private let scratch: Scratch
  private let lines = LogLines()
  private let store: ImageStore
  private let topic: Catalog.Topic

  init() throws {
    scratch = try Scratch()
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
    Catalog.Position(next: next, last: Catalog.Mark(offset: next - 1, timestamp: 5, key: digest(of: "key")))
  }

  @Test func aNewOutputHasItsFoldersAndTheHeader() throws {
    #expect(try scratch.read("rows.csv") == String(decoding: CSVLine.header, as: UTF8.self))
    #expect(try scratch.names("out") == [".image-pipeline"])
    #expect(store.slot.number == 1)
    #expect(lines.all == [])
  }

  @Test func consumersOfOneOutputHaveSlotsOfTheirOwnAndOneIdentity() throws {
    let other = try second()
    #expect(other.slot.number == 2)
    #expect(other.catalog.id == store.catalog.id)
  }

  @Test func onlyWhoeverKnowsThePositionMayStore() throws {
    #expect(isStored(try store.store(batch([0: nil])) { true }))
    try store.catalog.transaction { try store.catalog.set(position(8), topic, partition: 0) }
    #expect(isStored(try store.store(batch([0: position(8)])) { true }))
    #expect(isStored(try store.store(batch([1: nil])) { true }))
    #expect(isFenced(try store.store(batch([0: nil])) { true }))
    #expect(isFenced(try store.store(batch([0: position(7)])) { true }))
    #expect(isFenced(try store.store(batch([1: nil, 0: position(9)])) { true }))
    // The same offset, behind another message.
    let other = Catalog.Mark(offset: 7, timestamp: 5, key: digest(of: "other"))
    #expect(isFenced(try store.store(batch([0: Catalog.Position(next: 8, last: other)])) { true }))
  }

  @Test func whoeverIsFencedLeavesTheLock() throws {
    #expect(isFenced(try store.store(batch([0: position(8)])) { true }))
    #expect(isStored(try second().store(batch([:])) { true }))
  }

  @Test func aTopicThatWasMadeAnewFencesItsOldBatches() throws {
    try store.catalog.advance(topic)
    #expect(isFenced(try store.store(batch([:])) { true }))
    #expect(isStored(try store.store(batch([:], generation: 2)) { true }))
  }

  @Test func aBatchIsGivenUpWhereTheLockIsHeldAndTheRunEnds() throws {
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

  /// Stores by a path that leads to a folder's file, as for a consumer with that working directory.
  private func link(to folder: String) throws {
    _ = try scratch.folder(folder)
    try Folder.open(scratch.path).remove("work")
    try scratch.link("work", to: scratch / folder)
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
    } catch { return CatalogError.final(error, path: "catalog").map { "\($0)" } }
  }

  @Test func aConsumerThatFindsAnotherFileThanALivingOneIsRefused() throws {
    try link(to: "one")
    var first: ImageStore? = try linked()
    try link(to: "two")
    let said = finalError { _ = try linked() }
    #expect(said?.contains("CSV_PATH") == true && said?.contains(scratch / "work/rows.csv") == true, "\(said ?? "")")
    #expect(try scratch.names("two") == [])
    // Where it is the same file, found by another way, it is not another one.
    #expect(Glibc.link(scratch / "one/rows.csv", scratch / "two/rows.csv") == 0)
    try store(in: linked())
    try Folder.open(scratch / "two").remove("rows.csv")
    // Nobody is there any more who could be disturbed.
    try link(to: "one")
    try store(in: try #require(first))
    first = nil
    try link(to: "two")
    try store(in: linked())
    #expect(try scratch.names("two") == ["rows.csv"] && scratch.names("one") == ["rows.csv"])
  }

  @Test func aFileThatBecomesAnotherForOneOfThemEndsThatOne() throws {
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

  @Test func aFileThatIsMadeAnewIsTheSameForAll() throws {
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

  @Test func anImageWhoseSegmentsDoNotComeIsGivenUpWithWhatIsGone() throws {
    let old = try addAssembly("old", partition: 2, time: Clock.wallMilliseconds - 60_000)
    let young = try addAssembly("young", partition: 2, time: Clock.wallMilliseconds)
    let expired = try #require(try store.expire(topic, "t", after: 30_000, in: [2]))
    #expect(expired.map(\.name) == ["cat/old.jpg"])
    #expect(expired.first?.parts == 1)
    #expect(expired.first?.count == 3)
    #expect(expired.first?.letters == 0)
    #expect(expired.first?.gone == [7])
    #expect(try !scratch.exists(old))
    #expect(try scratch.exists(young))
    #expect(try store.catalog.allAssemblies().map(\.segmentID) == ["young"])
  }

  @Test func anImageOfAnotherConsumersPartitionIsLeftToIt() throws {
    let file = try addAssembly("old", partition: 2, time: 0)
    #expect(try store.expire(topic, "t", after: 30_000, in: [0, 1])?.isEmpty == true)
    #expect(try scratch.exists(file))
    #expect(try store.catalog.allAssemblies().count == 1)
  }

  private func addPart(_ number: Int, partition: Int32, of topic: Catalog.Topic) throws {
    let assembly = try #require(try store.catalog.allAssemblies().first)
    _ = try store.catalog.transaction {
      try store.catalog.add(
        Catalog.Part(number: number, size: 400, partition: partition, offset: 7), to: assembly, of: topic, time: 0)
    }
  }

  @Test(arguments: [[0], [2], [0, 2]] as [Set<Int32>])
  func anImageInThePartitionsOfTwoConsumersIsGivenUpByEither(partitions: Set<Int32>) throws {
    let file = try addAssembly("old", partition: 2, time: 0)
    try addPart(1, partition: 0, of: topic)
    #expect(try store.expire(topic, "t", after: 30_000, in: [1])?.isEmpty == true)
    #expect(try store.expire(topic, "t", after: 30_000, in: partitions)?.map(\.parts) == [2])
    #expect(try !scratch.exists(file))
  }

  @Test func anImageOfATopicThatWasMadeAnewIsGivenUpByAnybody() throws {
    let file = try addAssembly("old", partition: 2, time: 0)
    try store.catalog.advance(topic)
    let new = try store.catalog.topic("t", cluster: "c")
    #expect(try store.expire(new, "t", after: 30_000, in: [0])?.map(\.gone) == [[7]])
    #expect(try !scratch.exists(file))
  }

  @Test func anImageThatATopicWhichWasMadeAnewGoesOnWithIsLeftToTheConsumerOfItsPartition() throws {
    _ = try addAssembly("old", partition: 2, time: 0)
    try store.catalog.advance(topic)
    let new = try store.catalog.topic("t", cluster: "c")
    try addPart(1, partition: 0, of: new)
    #expect(try store.expire(new, "t", after: 30_000, in: [1], partitionCount: { 2 })?.isEmpty == true)
    #expect(try store.expire(new, "t", after: 30_000, in: [0])?.map(\.parts) == [2])
  }

  @Test func anImageInAPartitionThatIsThereNoMoreIsGivenUpByAnybody() throws {
    let file = try addAssembly("old", partition: 2, time: 0)
    #expect(try store.expire(topic, "t", after: 30_000, in: [0], partitionCount: { 3 })?.isEmpty == true)
    #expect(try store.expire(topic, "t", after: 30_000, in: [0], partitionCount: { 2 })?.count == 1)
    #expect(try !scratch.exists(file))
  }

  @Test func nothingIsGivenUpWhereTheBrokerDoesNotSayWhatItHas() throws {
    struct NoAnswer: Error {}
    let file = try addAssembly("old", partition: 2, time: 0)
    store.assembler.reread = { _, _, _ in throw NoAnswer() }
    #expect(throws: NoAnswer.self) { try store.expire(topic, "t", after: 30_000, in: [2]) }
    #expect(try scratch.exists(file))
    #expect(try store.catalog.allAssemblies().map(\.segmentID) == ["old"])
    // And the lock is free for others.
    #expect(isStored(try second().store(batch([:])) { true }))
    store.assembler.reread = { _, _, _ in nil }
    #expect(try store.expire(topic, "t", after: 30_000, in: [2])?.count == 1)
  }

  @Test func givingUpWaitsForNobody() throws {
    _ = try addAssembly("old", partition: 2, time: 0)
    let other = try second()
    #expect(try other.catalog.database.tryBegin())
    #expect(try store.expire(topic, "t", after: 30_000, in: [2]) == nil)
    other.catalog.database.rollback()
    #expect(try store.expire(topic, "t", after: 30_000, in: [2])?.count == 1)
  }

  @Test func onlyOldSegmentFilesThatNobodyWaitsForAreRemoved() throws {
    let known = try addAssembly("known", partition: 0, time: 0)
    let orphan = try scratch.write("out/.image-pipeline/segments/orphan.part", "x")
    let young = try scratch.write("out/.image-pipeline/segments/young.part", "x")
    var hourAgo = [timeval(tv_sec: time(nil) - 3_600, tv_usec: 0), timeval(tv_sec: time(nil) - 3_600, tv_usec: 0)]
    for path in [orphan, scratch / known] { try #require(utimes(path, &hourAgo) == 0) }
    // Whoever has the lock may be about to record them.
    let other = try second()
    #expect(try other.catalog.database.tryBegin())
    #expect(try !store.removeOrphans(olderThan: 60_000))
    #expect(try FileStatus.of(orphan) != nil)
    other.catalog.database.rollback()
    #expect(try store.removeOrphans(olderThan: 60_000))
    #expect(isStored(try other.store(batch([:])) { true }))
    #expect(try scratch.exists(known))
    #expect(try FileStatus.of(orphan) == nil)
    #expect(try FileStatus.of(young) != nil)
  }
}
