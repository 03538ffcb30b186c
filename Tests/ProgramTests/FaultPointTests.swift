import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite

/// A program is killed at each step, and again while it recovers. Needs the debug build, which reads `FAULT_POINT`.
@Suite(.ownThread) struct FaultPointTests {
  private let folder = TestFolder()

  private static let ofConsumer: [FaultPoint] = [
    .temporaryWritten, .temporariesSynced, .lockTaken, .imageRenamed, .segmentRecorded, .imageAssembled, .foldersSynced,
    .rowsWritten, .rowsSynced, .positionsRecorded, .transactionCommitted, .offsetsCommitted,
  ]
  private static let ofProducer: [FaultPoint] = [
    .segmentHandedOver, .imageHandedOver, .imageAcknowledged, .ledgerWritten, .ledgerCommitted, .sentFileHandled,
  ]
  /// Fault points at which the producer handles sent files.
  private static let afterSent: [FaultPoint] = [.sentFileChecked, .sentFileSetAside]

  @Test("every fault point is covered by a test") func everyPointIsTested() {
    #expect(
      Set(
        Self.ofConsumer + Self.ofProducer + Self.afterSent + LetterFaultPointTests.points + RepairFaultPointTests.points
          + ProducerReceiptFaultPointTests.points + ReceiptFaultPointTests.points + BucketFaultPointTests.points)
        == Set(FaultPoint.allCases))
  }

  /// Whole images, one that changes, and two in segments, in sending order.
  private func messages() -> (all: [TestMessage], images: [String: [UInt8]]) {
    var messages = (0..<12).map { TestMessage.image("\($0).jpg", SeededNumbers.bytes(300 + $0, seed: UInt64($0))) }
    for number in 0..<2 {
      let segments = TestMessage.segments(
        "large/\(number).png", SeededNumbers.bytes(5_000, seed: UInt64(50 + number)), size: 1_500)
      for (place, segment) in segments.enumerated() { messages.insert(segment, at: 2 + number * 3 + place * 2) }
    }
    messages.append(.image("3.jpg", SeededNumbers.bytes(77, seed: 99)))
    var images: [String: [UInt8]] = [:]
    for number in 0..<12 { images["\(number).jpg"] = SeededNumbers.bytes(300 + number, seed: UInt64(number)) }
    for number in 0..<2 { images["large/\(number).png"] = SeededNumbers.bytes(5_000, seed: UInt64(50 + number)) }
    images["3.jpg"] = SeededNumbers.bytes(77, seed: 99)
    return (messages, images)
  }

  /// Twice at the first visit: the second kill interrupts the recovery.
  @Test("a consumer that is killed at any fault point stores every image once", arguments: ofConsumer, [[1, 1], [2]])
  func killedConsumerStoresOnce(point: FaultPoint, visits: [Int]) throws {
    let broker = try Broker.preferred()
    let (messages, images) = messages()
    try broker.send(messages)
    let small = ["BATCH_IMAGES": "4"]
    for visit in visits {
      let victim = try Program(
        ["consumer", "--until-idle", "0.3"], in: folder,
        environment: broker.environment(small.merging(["FAULT_POINT": "\(point.rawValue):\(visit)"]) { $1 }))
      #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    }
    let stored = folder.rows.count
    _ = try Program.storeAll(in: folder, broker, small)
    #expect(stored < folder.rows.count, "it was killed with nothing left to do")
    #expect(try folder.files(TestFolder.output) == images.keys.sorted())
    expectBytes(images, in: folder, TestFolder.output)
    // The changed image has a row for each version.
    #expect(folder.rowNames.sorted() == (images.keys + ["3.jpg"]).sorted())
    #expect(try folder.leftovers() == [])
    #expect(try !broker.hasDeadLetters)
  }

  /// The files of a large batch may have no names until they are stored, except when they replace others.
  @Test(
    "a consumer that is killed within a large batch stores every image once",
    arguments: [
      (FaultPoint.temporaryWritten, 20), (.temporariesSynced, 1), (.imageRenamed, 45), (.imageRenamed, 75),
      (.foldersSynced, 1), (.positionsRecorded, 1),
    ])
  func killedInLargeBatchStoresOnce(point: FaultPoint, visit: Int) throws {
    let broker = try Broker.preferred()
    var images = sampleImages(60)
    try broker.send(images.sorted { $0.key < $1.key }.map { .image($0.key, $0.value) })
    let changed = images.keys.sorted().prefix(20).map { ($0, SeededNumbers.bytes(900, seed: UInt64($0.utf8.count))) }
    try broker.send(changed.map { .image($0, $1) })
    images.merge(changed) { $1 }
    let victim = try Program(
      ["consumer", "--until-idle", "0.3"], in: folder,
      environment: broker.environment(["FAULT_POINT": "\(point.rawValue):\(visit)"]))
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    _ = try Program.storeAll(in: folder, broker)
    #expect(try folder.files(TestFolder.output) == images.keys.sorted())
    expectBytes(images, in: folder, TestFolder.output)
    #expect(folder.rows.count == 80 && Set(folder.rowNames) == Set(images.keys))
    #expect(try folder.leftovers() == [])
  }

  @Test(
    "a producer that is killed at any fault point loses and duplicates nothing", arguments: ofProducer,
    ["keep", "move", "delete"])
  func killedProducerSendsOnce(point: FaultPoint, afterSent: String) throws {
    try killProducer(at: point, afterSent)
  }

  @Test(
    "a producer that is killed while it moves or deletes a sent file loses and duplicates nothing",
    arguments: afterSent, ["move", "delete"])
  func killedAfterSendingLosesNothing(point: FaultPoint, action: String) throws {
    try killProducer(at: point, action)
  }

  private func killProducer(at point: FaultPoint, _ afterSent: String) throws {
    let broker = try Broker.preferred()
    var images: [String: [UInt8]] = [:]
    for number in 0..<10 {
      // The larger ones take several messages.
      images["\(number % 3)/\(number).jpg"] = SeededNumbers.bytes(200 + number * 500, seed: UInt64(number))
    }
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    let environment = broker.environment([
      "SEGMENT_BYTES": "2000", "AFTER_SENT": afterSent, "SENT_DIR": "sent", "RECEIPTS_NEEDED": "0",
    ])
    var kills = 0
    for _ in 1...2 {
      let victim = try Program(
        ["producer", "--once"], in: folder,
        environment: environment.merging(["FAULT_POINT": point.rawValue]) { $1 })
      let code = victim.exitCode()
      kills += code == 128 + SIGKILL ? 1 : 0
      // The second run finds nothing left to do.
      #expect(code == 128 + SIGKILL || code == 0, "\(victim.output)")
    }
    #expect(kills >= 1)
    let producer = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(producer.exitCode() == 0, "\(producer.output)")
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)
    #expect(try left(afterSent, images) == [])
    if afterSent == "move" { expectBytes(images, in: folder, "sent") }
    let again = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(again.exitCode() == 0, "\(again.output)")
    #expect(again.sent == 0, "\(again.output)")
    let ledger = try Database(path: folder / ".image-pipeline/ledger.sqlite", busyTimeout: .seconds(5))
    let lines = try ledger.prepare("SELECT count(*) FROM files").first { Int($0.integer(0)) }
    #expect(lines == (afterSent == "keep" ? images.count : 0), "the ledger forgets files that are gone")
  }

  /// Files that should have left the input folder.
  private func left(_ afterSent: String, _ images: [String: [UInt8]]) throws -> [String] {
    afterSent == "keep" ? [] : try folder.files("images")
  }
}
