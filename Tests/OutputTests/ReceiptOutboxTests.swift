import OutputSupport
import TestSupport
import Testing

@testable import Messaging
@testable import Output
@testable import Platform
@testable import Wire

/// What a transaction writes about its messages, and how it leaves the catalog.
@Suite struct ReceiptOutboxTests {
  private let scratch = TestFolder()
  private let lines = LogLines()
  private let store: ImageStore
  private let topic: Catalog.Topic

  init() throws {
    (store, topic) = try Self.open(scratch, lines)
  }

  private static func open(_ scratch: TestFolder, _ lines: LogLines) throws -> (ImageStore, Catalog.Topic) {
    let store = try ImageStore(
      outputPath: scratch / "out", csvPath: scratch / "rows.csv", log: lines.log
    ) { _, _ in InMemoryDeadLetters() }
    let topic = try store.catalog.topic("t", cluster: "c")
    store.outbox = try ReceiptOutbox(store.catalog, topic, "t", slot: store.slot)
    return (store, topic)
  }

  private var outbox: ReceiptOutbox { get throws { try #require(store.outbox) } }

  private func receipts(of outbox: ReceiptOutbox) throws -> [Receipt] {
    try outbox.rows(after: 0, atMost: 1_000).map { row in try row.value.withUnsafeBytes { try Receipt(value: $0) } }
  }

  private var receipts: [Receipt] { get throws { try receipts(of: outbox) } }

  /// The name of each image, or its offset if it has none, with its outcome.
  private var outcomes: [String] {
    get throws {
      try receipts.flatMap(\.images).map { image in
        let outcome =
          switch image.outcome {
          case .deadLetter(let reason): reason
          case let other: "\(other)"
          }
        return "\(image.offset) \(image.name ?? "?") \(outcome)"
      }
    }
  }

  /// Stores messages after what is stored, with as many transactions as they need.
  private func storeAll(_ messages: [InMemoryMessage], lost: [Int32: [Range<Int64>]] = [:]) throws {
    var base: [Int32: Catalog.Position?] = [:]
    for partition in Set(messages.map(\.partition)) {
      base[partition] = .some(try store.catalog.position(topic, partition: partition))
    }
    var next: ImageStore.Batch? = ImageStore.Batch(topic: topic, messages: messages, base: base, lost: lost)
    while let batch = next {
      guard case .stored(let stored) = try store.store(batch, whileWaiting: { true }) else {
        Issue.record("it was not stored")
        return
      }
      next = stored.remainder.rest
    }
  }

  // MARK: Outcomes

  @Test("stored and unchanged images are confirmed with name, hash and length") func storedIsConfirmed() throws {
    try storeAll([InMemoryMessage(0, "cat/a.jpg", "one")])
    try storeAll([InMemoryMessage(1, "cat/a.jpg", "one"), InMemoryMessage(2, "cat/a.jpg", "two!")])
    #expect(try outcomes == ["0 cat/a.jpg stored", "1 cat/a.jpg unchanged", "2 cat/a.jpg stored"])
    let first = try #require(try receipts.first)
    #expect(first.output == store.catalog.id && first.topic == "t" && first.partition == 0)
    #expect(first.images.first?.digest == digest(of: "one") && first.images.first?.length == 3)
    #expect(abs(first.time - WallClock.milliseconds) < 60_000)
    #expect(try receipts.map(\.offsets) == [0..<1, 1..<3])
    #expect(try outbox.rows(after: 0, atMost: 1).first?.key == first.key)
    #expect(try outbox.count == 2)
  }

  @Test("an image in segments is confirmed at its last one") func segmentsAreConfirmedOnce() throws {
    let segments = [0, 1].map { InMemoryMessage(Int64($0), segment: $0, of: "a.jpg", "in parts") }
    try storeAll([segments[0]])
    #expect(try outcomes == [])
    try storeAll([segments[1], InMemoryMessage(2, segment: 0, of: "a.jpg", "in parts")])
    #expect(try outcomes == ["1 a.jpg stored"])
    try storeAll([InMemoryMessage(3, segment: 1, of: "a.jpg", "in parts")])
    #expect(try outcomes == ["1 a.jpg stored", "3 a.jpg unchanged"])
    #expect(try receipts.map(\.offsets) == [0..<1, 1..<3, 3..<4])
    #expect(try receipts.flatMap(\.images).allSatisfy { $0.digest == digest(of: "in parts") && $0.length == 8 })
  }

  @Test("an older version that is read again is superseded") func olderVersionIsSuperseded() throws {
    let (older, parts) = (
      InMemoryMessage(0, "a.jpg", "one"), (1...2).map { InMemoryMessage(Int64($0), segment: $0 - 1, of: "b", "parts") }
    )
    let newer = [InMemoryMessage(3, "a.jpg", "two"), InMemoryMessage(4, "b", "two")]
    try storeAll([older] + parts + newer)
    let written = try receipts.count
    try store.readAgain("t", topic)
    try store.catalog.bindPast("t", partition: 0, to: topic)
    try storeAll([older] + parts + newer)
    let again = try receipts.dropFirst(written).flatMap(\.images).map(\.outcome)
    #expect(again == [.superseded, .superseded, .unchanged, .unchanged])
  }

  @Test("a name that keep-both changes is confirmed as it was sent") func sentNameIsConfirmed() throws {
    store.place.sameName = .keepBoth
    try storeAll([InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(1, "a.jpg", "two")])
    #expect(try outcomes == ["0 a.jpg stored", "1 a.jpg stored"])
  }

  @Test("dead letters are confirmed with their kind, as far as their message can be read") func lettersAreConfirmed()
    throws
  {
    try scratch.makeFolder("out/folder")
    let wrong = digest(of: "wrong")
    try storeAll([
      InMemoryMessage(0, key: Array("b.jpg".utf8), value: [1]),
      InMemoryMessage(1, key: [0xFF], value: [1]), InMemoryMessage(2, key: nil, value: [1]),
      InMemoryMessage(3, "a.jpg", "one"), InMemoryMessage(4, "folder", "two"),
      InMemoryMessage(5, "c.jpg", "three", digest: wrong),
      InMemoryMessage(6, segment: 0, of: "large", "parts", digest: wrong),
      InMemoryMessage(7, segment: 1, of: "large", "parts", digest: wrong), InMemoryMessage(8, "d.jpg", "four"),
      InMemoryMessage(
        9, key: Array("e.jpg".utf8), value: [],
        headers: [MessageHeader(name: "image-length", value: Array("many".utf8))]),
    ])
    #expect(
      try outcomes == [
        "0 b.jpg EnvelopeError", "1 ? EnvelopeError", "2 ? EnvelopeError", "3 a.jpg stored", "4 folder NameRefusal",
        "5 c.jpg DigestMismatch", "7 large DigestMismatch", "8 d.jpg stored", "9 e.jpg EnvelopeError",
      ])
    let images = try receipts.flatMap(\.images)
    #expect(images.filter { $0.digest == nil }.map(\.offset) == [0, 1, 2, 9])
    #expect(images.first { $0.offset == 7 }?.length == 5)
    // Several transactions were needed, and their ranges follow each other.
    let ranges = try receipts.map(\.offsets)
    #expect(ranges.count > 1 && ranges.first?.lowerBound == 0 && ranges.last?.upperBound == 10)
    #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
  }

  @Test("an image whose segments did not all arrive is confirmed as a dead letter") func expiredIsConfirmed() throws {
    try storeAll([InMemoryMessage(4, segment: 0, of: "large", "parts"), InMemoryMessage(5, "a.jpg", "one")])
    let written = try receipts.count
    #expect(try store.expire(topic, "t", after: .seconds(-1), in: [0])?.count == 1)
    let receipt = try #require(try receipts.dropFirst(written).first)
    #expect(receipt.offsets == 6..<6)
    #expect(
      receipt.images == [
        Receipt.Image(
          offset: 4, name: "large", digest: digest(of: "parts"), length: 5,
          outcome: .deadLetter(reason: "SegmentTimeout"))
      ])
  }

  // MARK: Ranges

  @Test("each partition has receipts of its own") func partitionsHaveOwnReceipts() throws {
    try storeAll([
      InMemoryMessage(7, partition: 1, "a", "1"), InMemoryMessage(0, "b", "2"),
      InMemoryMessage(9, partition: 1, "c", "3"),
    ])
    try storeAll([InMemoryMessage(12, partition: 1, "d", "4")])
    #expect(try receipts.map(\.partition) == [0, 1, 1])
    // Offsets may have gaps.
    #expect(try receipts.map(\.offsets) == [0..<1, 7..<10, 10..<13])
    #expect(try receipts.map { $0.images.map(\.name) } == [["b"], ["a", "c"], ["d"]])
  }

  @Test("lost offsets are in the receipt that passes them") func lostOffsetsAreReceipted() throws {
    try storeAll([InMemoryMessage(3, "a", "1")], lost: [0: [0..<3]])
    // A loss after the stored messages is left to the next transaction.
    try storeAll([InMemoryMessage(4, "b", "2")], lost: [0: [5..<9], 1: [0..<2]])
    // The first message is refused within the transaction, which is split before it.
    try scratch.makeFolder("out/folder")
    try storeAll([InMemoryMessage(9, "folder", "3"), InMemoryMessage(10, "c", "4")], lost: [0: [5..<9]])
    #expect(try receipts.map(\.offsets) == [0..<4, 4..<5, 5..<11])
    #expect(try receipts.map(\.lost) == [[0..<3], [], [5..<9]])
  }

  @Test("a loss that nothing follows has a receipt, and the position stays") func idleLossIsReceipted() throws {
    try storeAll([InMemoryMessage(0, "a", "1")])
    let position = try store.catalog.position(topic, partition: 0)
    #expect(try store.recordLosses([0: [1..<8]], of: topic, base: [0: position]))
    #expect(try receipts.last?.offsets == 1..<8 && receipts.last?.lost == [1..<8])
    #expect(try store.catalog.position(topic, partition: 0) == position)
    // Another consumer has the partition meanwhile.
    let written = try receipts.count
    #expect(try store.recordLosses([0: [1..<8]], of: topic, base: [0: nil]))
    #expect(try receipts.count == written && outbox.count == written)
    let (other, _) = try Self.open(scratch, lines)
    #expect(try other.catalog.database.tryBegin())
    #expect(try !store.recordLosses([0: [1..<8]], of: topic, base: [0: position]))
    other.catalog.database.rollback()
  }

  @Test("a quiet partition is reported once, after all of its other receipts") func quietPartitionIsReported() throws {
    var first: ImageStore? = try Self.open(scratch, lines).0
    let batch = ImageStore.Batch(topic: topic, messages: [InMemoryMessage(4, "a", "1")], base: [0: nil])
    guard case .stored(let stored) = try first?.store(batch, whileWaiting: { true }) else { throw NotStored() }
    try storeAll([InMemoryMessage(2, partition: 1, "b", "2")])
    func report(_ partitions: [Int32] = [0, 1]) throws {
      var positions: [Int32: Catalog.Position] = [:]
      for partition in partitions { positions[partition] = try store.catalog.position(topic, partition: partition) }
      try store.recordPositions(positions, of: topic)
    }
    // The receipt about a is not sent yet, and another consumer has it.
    try report()
    #expect(try receipts.map(\.offsets) == [2..<3])
    first = nil
    #expect(try outbox.adopt())
    var others = stored.positions.mapValues { Catalog.Position(next: $0.next + 1, last: nil) }
    others[1] = try store.catalog.position(topic, partition: 1)
    try store.recordPositions(others, of: topic)
    #expect(try receipts.count == 2, "another consumer has stored more, or less")
    for _ in 0..<2 { try report() }
    #expect(try receipts.map(\.offsets) == [2..<3, 4..<5, 0..<5])
    #expect(try receipts.last?.partition == 0 && receipts.last?.images == [])
    try report([])
    try report()
    #expect(try receipts.dropFirst(3).map(\.offsets) == [0..<5, 0..<3], "these are new assignments")
  }

  @Test("many images are divided into several messages") func largeReceiptIsDivided() throws {
    let name = String(repeating: "x", count: 200)
    try storeAll((0..<1_000).map { InMemoryMessage(Int64($0), "\(name)\($0)", "\($0)") })
    #expect(try receipts.count == 2 && outbox.count == 2)
    #expect(try receipts.flatMap(\.images).map(\.offset) == (0..<1_000).map { Int64($0) })
  }

  // MARK: The outbox

  @Test("nothing is written if receipts are off") func offWritesNothing() throws {
    let outbox = try outbox
    store.outbox = nil
    try storeAll([InMemoryMessage(0, "a", "1"), InMemoryMessage(1, segment: 0, of: "large", "parts")])
    #expect(try store.expire(topic, "t", after: .seconds(-1), in: [0])?.count == 1)
    #expect(try store.recordLosses([0: [1..<8]], of: topic, base: [:]))
    #expect(try receipts(of: outbox) == [])
  }

  @Test("a transaction that fails leaves no receipt") func failedTransactionLeavesNothing() throws {
    let csv = try scratch.read("rows.csv")
    try Folder.open(scratch.path).remove("rows.csv")
    try scratch.makeFolder("rows.csv")
    #expect(throws: SystemError.self) { try storeAll([InMemoryMessage(0, "a", "1")]) }
    #expect(try receipts == [] && outbox.count == 0)
    try Folder.open(scratch.path).removeFolder("rows.csv")
    try scratch.write("rows.csv", csv)
    try storeAll([InMemoryMessage(0, "a", "1")])
    #expect(try receipts.count == 1 && outbox.count == 1)
  }

  @Test("acknowledged receipts are removed by the next transaction") func acknowledgedAreRemoved() throws {
    let outbox = try outbox
    for number in 0..<3 { try storeAll([InMemoryMessage(Int64(number), "\(number)", "\(number)")]) }
    let ids = try outbox.rows(after: 0, atMost: 10).map(\.id)
    outbox.acknowledge(Array(ids.prefix(2)))
    #expect(outbox.count == 3 && outbox.removable == 2)
    try storeAll([InMemoryMessage(3, "3", "3")])
    #expect(outbox.count == 2 && outbox.removable == 0)
    #expect(try receipts.flatMap(\.images).map(\.offset) == [2, 3])
    outbox.acknowledge([ids[2]])
    let (other, _) = try Self.open(scratch, lines)
    #expect(try other.catalog.database.tryBegin())
    #expect(try !outbox.removeAcknowledged())
    other.catalog.database.rollback()
    #expect(try outbox.removeAcknowledged())
    #expect(outbox.count == 1 && outbox.removable == 0)
    // An id is never used again.
    outbox.acknowledge(try outbox.rows(after: 0, atMost: 10).map(\.id))
    #expect(try outbox.removeAcknowledged())
    try storeAll([InMemoryMessage(4, "4", "4")])
    #expect(try outbox.rows(after: ids[2] + 1, atMost: 10).count == 1)
  }

  @Test("receipts of a slot that nobody holds are taken over") func deadSlotIsAdopted() throws {
    let outbox = try outbox
    var second: ImageStore? = try Self.open(scratch, lines).0
    let third = try Self.open(scratch, lines).0
    #expect(second?.slot.number == 2 && third.slot.number == 3)
    for (store, partition) in [(second, Int32(1)), (third, 2)] {
      let batch = ImageStore.Batch(
        topic: topic, messages: [InMemoryMessage(0, partition: partition, "\(partition)", "x")], base: [partition: nil])
      guard case .stored = try store?.store(batch, whileWaiting: { true }) else { throw NotStored() }
    }
    try storeAll([InMemoryMessage(0, "a", "1")])
    let seen = try #require(try outbox.rows(after: 0, atMost: 10).last).id
    #expect(try outbox.adopt() && outbox.count == 1)
    second = nil
    #expect(try outbox.adopt() && outbox.count == 2)
    // After those that were seen.
    let rows = try outbox.rows(after: seen, atMost: 10)
    #expect(try rows.map { try $0.value.withUnsafeBytes { try Receipt(value: $0).partition } } == [1])
    #expect(try third.outbox?.count == 1 && receipts(of: #require(third.outbox)).count == 1)
  }

  private struct NotStored: Error {}

  @Test("a slot's next holder gives up the receipts that it does not send", arguments: [true, false])
  func foreignReceiptsAreGivenUp(sendsOthers: Bool) throws {
    try storeAll([InMemoryMessage(0, "a", "1")])
    let other = try store.catalog.topic("u", cluster: "c")
    try ReceiptOutbox.giveUp(in: store.slot, allBut: topic, store.catalog)
    #expect(try receipts.count == 1)
    try ReceiptOutbox.giveUp(in: store.slot, allBut: sendsOthers ? other : nil, store.catalog)
    #expect(try receipts.count == 0)
    // The holder's topic has none of them.
    #expect(try ReceiptOutbox(store.catalog, other, "u", slot: store.slot).adopt())
    let next = try #require(try Self.open(scratch, lines).0.outbox)
    #expect(try next.adopt() && next.count == 1)
  }

  @Test("the outbox of another topic is left alone") func otherTopicIsLeft() throws {
    try storeAll([InMemoryMessage(0, "a", "1")])
    let other = try ReceiptOutbox(store.catalog, store.catalog.topic("t", cluster: "other"), "t", slot: store.slot)
    #expect(try other.count == 0 && receipts(of: other) == [])
    #expect(try other.adopt() && other.count == 0)
    // A new generation of the topic is the same topic.
    try store.catalog.advance(topic)
    let again = try ReceiptOutbox(store.catalog, store.catalog.topic("t", cluster: "c"), "t", slot: store.slot)
    #expect(try again.count == 1 && receipts(of: again).count == 1)
  }
}
