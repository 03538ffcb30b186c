import TestSupport
import Testing

@testable import Output
@testable import Wire

@Suite struct CatalogTests {
  private let scratch: TestFolder
  private let catalog: Catalog

  init() throws {
    scratch = TestFolder()
    catalog = try Catalog(in: scratch.makeFolder("reserved"), exclusive: false)
  }

  private func second() throws -> Catalog { try Catalog(in: scratch.makeFolder("reserved"), exclusive: false) }

  private func mark(_ offset: Int64, _ timestamp: Int64? = 5) -> MessageMark {
    MessageMark(offset: offset, timestamp: timestamp, key: digest(of: "key"))
  }

  @Test("a catalog's identity is created once") func identityIsCreatedOnce() throws {
    #expect(!catalog.id.isEmpty)
    #expect(try second().id == catalog.id)
    let other = try Catalog(in: scratch.makeFolder("other"), exclusive: false)
    #expect(other.id != catalog.id)
  }

  @Test("a catalog of another version is refused with its fix") func otherVersionIsRefusedWithFix() throws {
    try catalog.database.setUserVersion(99)
    let said = refusal { _ = try second() }
    #expect(said?.contains("version 99") == true)
    #expect(said?.contains("PROCESSED_IMAGES_DIR") == true)
  }

  @Test("a catalog of the first version is upgraded") func firstVersionIsUpgraded() throws {
    try catalog.transaction { try catalog.append(storedRow("a")) }
    let id = catalog.id
    try catalog.database.execute(
      "DROP TABLE past_images; DROP TABLE past_partitions; DROP TABLE receipts; PRAGMA user_version = 1")
    let newer = try second()
    #expect(newer.id == id)
    #expect(try !newer.hasPast)
    try newer.transaction { try newer.recall(storedRow("a"), name: "a") }
    #expect(try newer.hasPast)
    #expect(try newer.database.userVersion() == CatalogSchema.version)
    var rows = 0
    try second().rows(after: 0) { _, _ in rows += 1 }
    #expect(rows == 1)
  }

  @Test("a catalog of the second version is upgraded") func secondVersionIsUpgraded() throws {
    try catalog.transaction {
      try catalog.append(storedRow("a"))
      try catalog.recall(storedRow("a"), name: "a")
    }
    let id = catalog.id
    try catalog.database.execute("DROP TABLE receipts; PRAGMA user_version = 2")
    let newer = try second()
    #expect(try newer.id == id && newer.hasPast)
    #expect(try newer.database.userVersion() == CatalogSchema.version)
    try newer.database.execute(
      "INSERT INTO topics VALUES (1, 'c', 't', 1); INSERT INTO receipts VALUES (1, 1, 1, '', '')")
  }

  @Test("a catalog that lost its name is noticed") func removedCatalogIsNoticed() throws {
    try catalog.checkPlace()
    let folder = try scratch.makeFolder("reserved")
    try folder.rename(Catalog.fileName, to: folder, as: "elsewhere")
    #expect(throws: CatalogError.self) { try catalog.checkPlace() }
    _ = try second()
    #expect(refusal { try catalog.checkPlace() }?.contains("image-pipeline repair") == true)
  }

  @Test(
    "an impossible value in a catalog is an error, not a crash",
    arguments: [
      "UPDATE stored SET digest = x'00'", "UPDATE images SET digest = 'text'", "UPDATE assemblies SET digest = 7",
    ])
  func impossibleValueIsAnError(change: String) throws {
    let topic = try catalog.topic("t", cluster: "c")
    try catalog.transaction {
      try catalog.append(storedRow("a"))
      try catalog.set(Catalog.Entry(digest: digest(of: "a"), size: 1, modified: 1, inode: 1), name: "a")
      let segment = ImageHeaders.Segment(id: "s", index: 0, count: 2, position: 0)
      _ = try catalog.addAssembly(segment, name: "b", digest: digest(of: "b"), length: 5, topic: topic)
    }
    try catalog.database.execute(change)
    #expect(throws: UnreadableCatalog.self) {
      try catalog.rows(after: 0) { _, _ in }
      _ = try catalog.entry("a")
      _ = try catalog.allAssemblies()
    }
  }

  @Test("a topic is identified by cluster and name") func topicIsClusterAndName() throws {
    let one = try catalog.topic("t", cluster: "c")
    #expect(one.generation == 1)
    #expect(try catalog.topic("t", cluster: "c") == one)
    #expect(try second().topic("t", cluster: "c") == one)
    #expect(try catalog.topic("t", cluster: "d").id != one.id)
    #expect(try catalog.topic("u", cluster: "c").id != one.id)
  }

  @Test("a position comes back with all its parts") func positionComesBack() throws {
    let topic = try catalog.topic("t", cluster: "c")
    #expect(try catalog.position(topic, partition: 0) == nil)
    for position in [
      Catalog.Position(next: 8, last: mark(7)), Catalog.Position(next: .max, last: mark(.max - 1, nil)),
      Catalog.Position(next: 0, last: nil), Catalog.Position(next: 3, last: mark(2, -1)),
    ] {
      try catalog.transaction { try catalog.set(position, topic, partition: 3) }
      #expect(try catalog.position(topic, partition: 3) == position)
    }
    #expect(try catalog.position(topic, partition: 0) == nil)
  }

  @Test("a new generation has no positions") func newGenerationHasNoPositions() throws {
    let topic = try catalog.topic("t", cluster: "c")
    try catalog.transaction { try catalog.set(Catalog.Position(next: 8, last: mark(7)), topic, partition: 0) }
    try catalog.advance(topic)
    let next = try catalog.topic("t", cluster: "c")
    #expect(next == Catalog.Topic(id: topic.id, generation: 2))
    #expect(try catalog.position(next, partition: 0) == nil)
    #expect(try catalog.generation(of: topic) == 2)
  }

  @Test("two consumers that find a re-created topic advance its generation once") func generationAdvancesOnce() throws {
    let other = try second()
    let (mine, theirs) = (try catalog.topic("t", cluster: "c"), try other.topic("t", cluster: "c"))
    try catalog.advance(mine)
    try other.advance(theirs)
    #expect(try catalog.generation(of: mine) == 2)
    #expect(try other.topic("t", cluster: "c").generation == 2)
  }

  @Test("an image's entry comes back") func entryComesBack() throws {
    #expect(try catalog.entry("a/b.jpg") == nil)
    let entry = Catalog.Entry(digest: digest(of: "x"), size: 1 << 40, modified: -5, inode: .max)
    try catalog.transaction { try catalog.set(entry, name: "a/b.jpg") }
    #expect(try catalog.entry("a/b.jpg") == entry)
    let newer = Catalog.Entry(digest: digest(of: "y"), size: 0, modified: .max, inode: 1)
    try catalog.transaction { try catalog.set(newer, name: "a/b.jpg") }
    #expect(try catalog.entry("a/b.jpg") == newer)
  }

  @Test("names with different Unicode forms are two") func similarNamesAreTwo() throws {
    let (composed, decomposed) = ("\u{E9}.jpg", "e\u{301}.jpg")
    let entry = Catalog.Entry(digest: digest(of: "x"), size: 1, modified: 1, inode: 1)
    try catalog.transaction { try catalog.set(entry, name: composed) }
    #expect(try catalog.entry(decomposed) == nil)
    #expect(try catalog.entry("\u{E9}.JPG") == nil)
  }

  @Test("rows come back in the order in which they were stored") func rowsKeepTheirOrder() throws {
    var bare = storedRow("b")
    (bare.width, bare.height, bare.sentTime) = (nil, nil, nil)
    let rows = [storedRow("z"), bare, storedRow("a\n\"é"), storedRow("z")]
    try catalog.transaction { for row in rows { try catalog.append(row) } }
    var ids: [Int64] = []
    var found: [StoredRow] = []
    try catalog.rows(after: 0) {
      ids.append($0)
      found.append($1)
    }
    #expect(found == rows)
    #expect(ids == ids.sorted() && Set(ids).count == 4)
    found = []
    try catalog.rows(after: ids[1]) { found.append($1) }
    #expect(found == Array(rows[2...]))
  }

  @Test("a failed transaction leaves nothing") func failedTransactionLeavesNothing() throws {
    struct Failure: Error {}
    #expect(throws: Failure.self) {
      try catalog.transaction {
        try catalog.append(storedRow("a"))
        throw Failure()
      }
    }
    var count = 0
    try catalog.rows(after: 0) { _, _ in count += 1 }
    #expect(count == 0)
  }

  @Test("a second consumer is excluded while the first stores") func writerExcludesSecondConsumer() throws {
    let other = try second()
    #expect(try catalog.database.tryBegin())
    #expect(try !other.database.tryBegin())
    // It may read the former state meanwhile.
    #expect(try other.entry("a") == nil)
    try catalog.set(Catalog.Entry(digest: digest(of: "x"), size: 1, modified: 1, inode: 1), name: "a")
    #expect(try other.entry("a") == nil)
    try catalog.database.commit()
    #expect(try other.database.tryBegin())
    #expect(try other.entry("a") != nil)
    other.database.rollback()
  }

  @Test("an exclusive catalog refuses a second consumer instead of waiting") func exclusiveCatalogRefusesSecond() throws
  {
    let folder = try scratch.makeFolder("exclusive")
    let first = try Catalog(in: folder, exclusive: true)
    try first.transaction {}
    let begun = ContinuousClock.now
    #expect(throws: SlotError.self) { try Catalog(in: folder, exclusive: true) }
    #expect(ContinuousClock.now - begun < .seconds(5))
    #expect(!first.id.isEmpty)
  }
}
