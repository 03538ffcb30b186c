import TestSupport
import Testing

@testable import Output
@testable import Wire

/// A repaired catalog's knowledge of the messages behind its rows.
@Suite struct CatalogPastTests {
  private let scratch: TestFolder
  private let catalog: Catalog
  private let topic: Catalog.Topic

  init() throws {
    scratch = TestFolder()
    catalog = try Catalog(in: scratch.makeFolder("reserved"), exclusive: false)
    topic = try catalog.topic("t", cluster: "c")
  }

  private func recall(_ name: String, _ content: String, _ partition: Int32, _ offset: Int64, _ time: Int64?) throws {
    var row = storedRow("out/" + name, content: content)
    (row.topic, row.partition, row.offset, row.sentTime) = ("t", partition, offset, time)
    try catalog.transaction { try catalog.recall(row, name: name) }
  }

  private func isPast(
    _ name: String, _ content: String, _ partition: Int32, _ offset: Int64, _ time: Int64?, _ name2: String = "t",
    _ other: Catalog.Topic? = nil
  ) throws -> Bool {
    let origin = MessageOrigin(topic: name2, partition: partition, offset: offset, timestamp: time)
    return try catalog.isPast(name, digest(of: content), from: origin, other ?? topic)
  }

  private func bind(_ partition: Int32 = 0) throws { try catalog.bindPast("t", partition: partition, to: topic) }

  @Test("only an older version with a row is past") func olderVersionWithRowIsPast() throws {
    try recall("a", "v1", 0, 5, 100)
    try recall("a", "v2", 0, 9, 200)
    try bind()
    #expect(try isPast("a", "v1", 0, 5, 100))
    // A repetition in between, without a row.
    #expect(try isPast("a", "v1", 0, 6, 110))
    #expect(try isPast("a", "v1", 0, 9, 200))
    // The present version may have to be restored.
    #expect(try !isPast("a", "v2", 0, 9, 200))
    #expect(try !isPast("a", "v1", 0, 10, 200), "it comes behind the last row")
    #expect(try !isPast("a", "v1", 0, 5, 201), "it is younger than all of the rows")
    #expect(try !isPast("b", "v1", 0, 5, 100), "it has no row")
    #expect(try !isPast("a", "v1", 1, 5, 100), "no row came from there")
    #expect(try !isPast("a", "v1", 0, 5, 100, "u"))
  }

  @Test("a clock that went backwards makes no old version new") func backwardClockRevivesNothing() throws {
    try recall("b", "w", 0, 2, nil)
    try recall("a", "v1", 0, 5, 300)
    try recall("a", "v2", 0, 9, 200)
    try bind()
    #expect(try isPast("a", "v1", 0, 5, 300))
    #expect(try isPast("a", "v1", 0, 5, nil))
  }

  @Test("an image that changed its partition has a past in each") func pastIsPerPartition() throws {
    try recall("a", "v1", 0, 100, 1)
    try recall("a", "v2", 3, 2, 2)
    try bind(0)
    try bind(3)
    #expect(try isPast("a", "v1", 0, 100, 1))
    #expect(try isPast("a", "v1", 3, 1, 1))
    #expect(try !isPast("a", "v2", 3, 2, 2))
    #expect(try !isPast("a", "v3", 0, 101, 2))
  }

  @Test("nothing is past until the topic is known to be the same") func unknownTopicHasNoPast() throws {
    try recall("a", "v1", 0, 5, 100)
    try recall("a", "v2", 0, 9, 200)
    #expect(try !isPast("a", "v1", 0, 5, 100))
    try bind()
    #expect(try isPast("a", "v1", 0, 5, 100))
    let elsewhere = try catalog.topic("t", cluster: "d")
    #expect(try !isPast("a", "v1", 0, 5, 100, "t", elsewhere))
    try catalog.advance(topic)
    #expect(try !isPast("a", "v1", 0, 5, 100, "t", catalog.topic("t", cluster: "c")))
  }

  @Test("a partition is recognized by the message of its last row") func lastRowIdentifiesPartition() throws {
    try recall("b", "w", 0, 9, 200)
    try recall("a", "v1", 0, 5, 300)
    try recall("c", "x", 2, 7, nil)
    let unbound = try catalog.unboundPast("t")
    #expect(
      unbound == [
        .init(partition: 0, last: .init(offset: 9, timestamp: 200, key: digest(of: "b"))),
        .init(partition: 2, last: .init(offset: 7, timestamp: nil, key: digest(of: "c"))),
      ])
    try bind(2)
    #expect(try catalog.unboundPast("t").map(\.partition) == [0, 2], "nothing of it is stored since")
    try catalog.transaction { try catalog.set(.init(next: 1, last: nil), topic, partition: 2) }
    #expect(try catalog.unboundPast("t").map(\.partition) == [0])
    #expect(try catalog.unboundPast("u") == [])
  }

  @Test("versions before the position are forgotten") func passedVersionsAreForgotten() throws {
    try recall("a", "v1", 0, 5, 100)
    try recall("b", "w", 0, 9, 200)
    try bind()
    let position = Catalog.Position(next: 8, last: nil)
    try catalog.transaction { try catalog.set(position, topic, partition: 0) }
    try catalog.prunePast()
    #expect(try catalog.hasPast)
    #expect(try !isPast("a", "other", 0, 5, 100))
    #expect(try isPast("b", "other", 0, 9, 100))
    try catalog.transaction { try catalog.set(.init(next: 10, last: nil), topic, partition: 0) }
    try catalog.prunePast()
    #expect(try !catalog.hasPast)
  }

  // MARK: Read again by wish

  private func store(_ name: String, _ content: String, _ partition: Int32, _ offset: Int64, path: String? = nil) throws
  {
    var row = storedRow(path ?? "out/" + name, content: content)
    (row.topic, row.partition, row.offset, row.sentTime) = ("t", partition, offset, nil)
    try catalog.transaction {
      try catalog.append(row)
      try catalog.set(.init(digest: row.digest, size: row.size, modified: 0, inode: 0), name: name)
      let mark = MessageMark(offset: offset, timestamp: nil, key: digest(of: name))
      try catalog.set(.init(next: offset + 1, last: mark), topic, partition: partition)
    }
  }

  private func readAgain() throws { try catalog.readAgain("t", topic) { String($0.dropFirst(4)) } }

  @Test("a reread knows older versions once the message before the position is recognized")
  func rereadKnowsOlderVersions() throws {
    try store("a", "v1", 0, 5)
    try store("a", "v2", 0, 9)
    try store("b", "w", 3, 1)
    try readAgain()
    #expect(try catalog.position(topic, partition: 0) == nil && catalog.position(topic, partition: 3) == nil)
    #expect(
      try catalog.unboundPast("t") == [
        .init(partition: 0, last: .init(offset: 9, timestamp: nil, key: digest(of: "a"))),
        .init(partition: 3, last: .init(offset: 1, timestamp: nil, key: digest(of: "b"))),
      ])
    #expect(try !isPast("a", "v1", 0, 5, nil))
    try bind()
    #expect(try isPast("a", "v1", 0, 5, nil) && !isPast("a", "v2", 0, 9, nil) && !isPast("a", "v1", 0, 10, nil))
  }

  @Test("a reread that starts again forgets nothing before the first position")
  func restartedRereadForgetsNothing() throws {
    try store("a", "v1", 0, 5)
    try store("a", "v2", 0, 9)
    try readAgain()
    try bind()
    // The position so far.
    let mark = MessageMark(offset: 2, timestamp: nil, key: digest(of: "x"))
    try catalog.transaction { try catalog.set(.init(next: 3, last: mark), topic, partition: 0) }
    try readAgain()
    #expect(try catalog.unboundPast("t").map(\.last.offset) == [9])
    #expect(try isPast("a", "v1", 0, 9, nil))
  }

  @Test("rows of an earlier topic of the same name hide nothing of the present one")
  func earlierTopicHidesNothing() throws {
    try store("a", "old", 0, 50)
    try catalog.advance(topic)
    let now = try catalog.topic("t", cluster: "c")
    try catalog.transaction {
      let mark = MessageMark(offset: 8, timestamp: nil, key: digest(of: "a"))
      try catalog.set(.init(next: 9, last: mark), now, partition: 0)
    }
    try catalog.readAgain("t", now) { String($0.dropFirst(4)) }
    try catalog.bindPast("t", partition: 0, to: now)
    #expect(try !isPast("a", "new", 0, 7, nil, "t", now))
  }

  @Test("an image that was found without a row has no past") func foundImageHasNoPast() throws {
    try recall("a", "v1", -1, -1, nil)
    #expect(try !catalog.hasPast)
    #expect(try catalog.entry("a")?.digest == digest(of: "v1"))
  }
}
