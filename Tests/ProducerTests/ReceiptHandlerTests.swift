import TestSupport
import Testing

@testable import Configuration
@testable import Platform
@testable import Producer
@testable import SQLite
@testable import Wire

/// The rules for receipts that arrive, and for receipts that do not. Without Kafka.
@Suite struct ReceiptHandlerTests {
  private let scratch: TestFolder
  private let lines = LogLines()

  init() throws {
    scratch = TestFolder()
    _ = try scratch.makeFolder("in")
  }

  private func session(_ change: (inout ProducerSettings) -> Void = { _ in }) throws -> ProducerSession {
    var settings = ProducerSettings(
      input: scratch / "in", topic: "t", stateFolder: scratch / "state", kafka: KafkaProperties([:]).producer)
    settings.afterSent = .delete
    change(&settings)
    let ledger = try Ledger(in: settings.stateFolder, cluster: "c", topic: "t", input: settings.input)
    return ProducerSession(
      settings, ledger: ledger, events: ProducerEvents(log: lines.log, input: settings.input))
  }

  /// Writes a file, and records it as acknowledged.
  private func send(_ path: String, _ offset: Int64, _ session: ProducerSession) throws {
    try scratch.write("in/" + path, path)
    try record(path, offset, session)
  }

  private func record(_ path: String, _ offset: Int64, _ session: ProducerSession) throws {
    let stamp = FileStamp(size: 1, modified: 2, changed: 3, inode: 4)
    let delivery = Ledger.Delivery(partition: 0, offset: offset, seen: 1, sent: 2, acknowledged: 3)
    try session.ledger.record([(path, Ledger.Line(stamp: stamp, digest: digest(of: path), delivery: delivery))])
  }

  private func receipt(
    _ images: [(String, Int64)], next: Int64? = nil, by output: String = "o", topic: String = "t", time: Int64 = 9,
    _ outcome: Receipt.Outcome = .stored
  ) -> Receipt {
    let next = next ?? (images.last?.1 ?? -1) + 1
    return Receipt(
      output: output, topic: topic, partition: 0, offsets: 0..<next, time: time,
      images: images.map {
        Receipt.Image(offset: $0.1, name: $0.0, digest: digest(of: $0.0), length: 1, outcome: outcome)
      })
  }

  /// The paths to look at again.
  private func returning(_ session: ProducerSession) -> [String] {
    session.outbox.takeRechecks().map { $0.reason == .again ? $0.path : "\($0)" }
  }

  private func state(_ path: String, _ session: ProducerSession) throws -> Ledger.State? {
    try session.ledger.line(path)?.state
  }

  private static let late = 60_000

  @Test("a confirmed file is looked at again if it is to be moved or deleted", arguments: AfterSentAction.allCases)
  func confirmedFileReturns(action: AfterSentAction) throws {
    let session = try session { $0.afterSent = action }
    let handler = try ReceiptHandler(session)
    for (number, path) in ["a.jpg", "b.jpg"].enumerated() { try send(path, Int64(number), session) }
    try handler.handle([receipt([("a.jpg", 0)])], positions: [0: 1], now: moment(0))
    #expect(returning(session) == (action == .keep ? [] : ["a.jpg"]))
    #expect(try state("a.jpg", session) == .confirmed && state("b.jpg", session) == .waiting)
    #expect(try session.ledger.receiptPositions() == [0: 1])
    try handler.handle([receipt([("a.jpg", 0)])], now: moment(1))
    #expect(returning(session) == [], "it is confirmed once")
  }

  @Test("a file may leave only after as many outputs as needed have confirmed it") func fileWaitsForOutputs() throws {
    let session = try session { $0.receiptsNeeded = 2 }
    let handler = try ReceiptHandler(session)
    try send("a.jpg", 0, session)
    for output in ["o", "o", "p"] {
      #expect(try !session.mayLeave(#require(try session.ledger.line("a.jpg"))))
      try handler.handle([receipt([("a.jpg", 0)], by: output)])
    }
    #expect(try session.mayLeave(#require(try session.ledger.line("a.jpg"))))
  }

  @Test("receipts of another topic and names with another prefix are ignored") func foreignReceiptsAreIgnored() throws {
    let session = try session { $0.namePrefix = "e\u{301}/" }
    let handler = try ReceiptHandler(session)
    try send("a.jpg", 0, session)
    let image = { (name: String) in
      Receipt.Image(offset: 0, name: name, digest: digest(of: "a.jpg"), length: 1, outcome: .stored)
    }
    let names = ["a.jpg", "\u{E9}/a.jpg", "e\u{301}/"].map(image)
    try handler.handle([
      receipt([("e\u{301}/a.jpg", 0)], topic: "u"),
      Receipt(output: "o", topic: "t", partition: 0, offsets: 0..<1, time: 9, images: names),
    ])
    #expect(try state("a.jpg", session) == .waiting)
    try handler.handle([
      Receipt(output: "o", topic: "t", partition: 0, offsets: 0..<1, time: 9, images: [image("e\u{301}/a.jpg")])
    ])
    #expect(try state("a.jpg", session) == .confirmed)
  }

  /// After a topic was re-created, an output that no longer runs may have passed any offset.
  @Test("a position makes images lost once, not those that are sent afterwards") func positionCountsOnce() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    try send("a.jpg", 0, session)
    try handler.handle([receipt([], next: 10)], now: moment(0))
    try handler.review(now: moment(Self.late))
    #expect(try state("a.jpg", session) == .lost && returning(session) == ["a.jpg"])
    try record("a.jpg", 5, session)
    for minute in 2...5 { try handler.review(now: moment(minute * 60_000)) }
    #expect(try state("a.jpg", session) == .waiting && returning(session) == [])
    try handler.handle([receipt([], next: 11)], now: moment(6 * 60_000))
    try handler.review(now: moment(7 * 60_000))
    #expect(try state("a.jpg", session) == .lost)
  }

  @Test("a receipt that overtakes the ledger's line is kept until the line is there") func earlyReceiptIsKept() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    #expect(session.outbox.claim("a.jpg"))
    try handler.handle([receipt([("a.jpg", 0), ("b.jpg", 1)])], now: moment(0))
    try handler.review(now: moment(Self.late))
    try send("a.jpg", 0, session)
    // Nobody was about to send this one.
    try send("b.jpg", 1, session)
    session.outbox.release("a.jpg")
    try handler.handle([receipt([("c.jpg", 2)])], now: moment(Self.late))
    try handler.review(now: moment(Self.late + 60_000))
    #expect(try state("a.jpg", session) == .confirmed && state("b.jpg", session) == .lost)
    #expect(returning(session).sorted() == ["a.jpg", "b.jpg"])
  }

  @Test("a dead letter without a name may overtake the ledger's line, too") func earlyDeadLetterIsKept() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    let image = Receipt.Image(offset: 0, name: nil, digest: nil, length: nil, outcome: .deadLetter(reason: "BadJSON"))
    try handler.handle(
      [Receipt(output: "o", topic: "t", partition: 0, offsets: 0..<1, time: 9, images: [image])], now: moment(0))
    try send("a.jpg", 0, session)
    try handler.review(now: moment(2_000))
    #expect(try state("a.jpg", session) == .deadLetter)
  }

  @Test("a receipt that confirms a file in progress has it looked at afterwards") func claimedFileReturns() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    try send("a.jpg", 0, session)
    #expect(session.outbox.claim("a.jpg"))
    try handler.handle([receipt([("a.jpg", 0)])])
    #expect(returning(session) == [])
    session.outbox.release("a.jpg")
    #expect(returning(session) == ["a.jpg"])
  }

  @Test("an image that an output has passed for 10 s without it is lost, and sent again") func passedImageIsLost()
    throws
  {
    let session = try session()
    let handler = try ReceiptHandler(session)
    for (number, path) in ["a.jpg", "b.jpg", "c.jpg"].enumerated() { try send(path, Int64(number), session) }
    try handler.handle([receipt([("b.jpg", 1)])], now: moment(0))
    try handler.review(now: moment(9_000))
    #expect(try state("a.jpg", session) == .waiting)
    try handler.review(now: moment(Self.late))
    #expect(try state("a.jpg", session) == .lost && state("c.jpg", session) == .waiting)
    #expect(returning(session).sorted() == ["a.jpg", "b.jpg"])
    #expect(try !session.isSent(#require(try session.ledger.line("a.jpg"))))
    #expect(lines.entries.hasEvent("image_lost", ["image": "a.jpg"]))
    // Sent again, it is lost again only if an output passes it again.
    try record("a.jpg", 7, session)
    try handler.review(now: moment(Self.late + 60_000))
    #expect(try state("a.jpg", session) == .waiting)
    #expect(session.events.receipts.now.lost == 1)
  }

  @Test("what an output had passed before the start counts after 10 s, too") func earlierPositionsCount() throws {
    let session = try session()
    try send("a.jpg", 0, session)
    _ = try session.ledger.apply([], needed: 1, passed: [PassedPosition(output: "o", partition: 0, next: 5)])
    let handler = try ReceiptHandler(session)
    try handler.review(now: .now)
    #expect(try state("a.jpg", session) == .waiting)
    try handler.review(now: .now + .seconds(60))
    #expect(try state("a.jpg", session) == .lost)
  }

  @Test("positions in a topic that was re-created do not count") func oldPositionsDoNotCount() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    try handler.handle([receipt([], next: 100)], now: .now)
    try handler.handle([], now: .now + .seconds(2))
    #expect(try session.ledger.passedPositions().count == 1)
    try session.ledger.setTopicNew()
    try send("a.jpg", 3, session)
    try handler.review(now: .now + .seconds(60))
    #expect(try state("a.jpg", session) == .waiting)
    // The consumer has begun with the new topic.
    try handler.handle([receipt([("b.jpg", 2)])], now: .now + .seconds(120))
    try handler.review(now: .now + .seconds(180))
    #expect(try state("a.jpg", session) == .waiting)
  }

  /// 1. A consumer dies with its receipts in the outbox. 2. Its successor sends newer ones. 3. Somebody takes over the old
  /// ones, and sends them.
  @Test("an older receipt that arrives late does not hold lost images back", arguments: [false, true])
  func lateReceiptKeepsPosition(restarts: Bool) throws {
    let session = try session()
    var handler = try ReceiptHandler(session)
    for (path, offset) in [("a.jpg", Int64(1)), ("b.jpg", 12)] { try send(path, offset, session) }
    try handler.handle([receipt([("c.jpg", 14)], time: 30)], now: .now + .seconds(2))
    if restarts { handler = try ReceiptHandler(session) }
    try handler.handle([receipt([("a.jpg", 1)], next: 10, time: 20)], now: .now + .seconds(4))
    try handler.review(now: .now + .seconds(60))
    #expect(try state("a.jpg", session) == .confirmed && state("b.jpg", session) == .lost)
    // A newer one sets the output back: the topic was re-created, or the catalog is a copy of an earlier day.
    try handler.handle([receipt([], next: 2, time: 40)], now: .now + .seconds(62))
    #expect(try session.ledger.passedPositions().map(\.next) == [2])
    // A clock that was set back delays nothing.
    try handler.handle([receipt([], next: 3, time: 10)], now: .now + .seconds(64))
    #expect(try session.ledger.passedPositions().map(\.next) == [3])
  }

  @Test("a lost image whose file is gone is named and not sent again") func lostImageWithoutFileIsNamed() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    try record("a.jpg", 0, session)
    try handler.handle([receipt([], next: 5)], now: .now + .seconds(2))
    try handler.review(now: .now + .seconds(60))
    #expect(try state("a.jpg", session) == .gone)
    #expect(returning(session) == [])
    #expect(lines.entries.hasEvent("lost_image_gone", ["image": "a.jpg"]))
    #expect(session.events.receipts.now.gone == 1)
    #expect(try !session.isSent(#require(try session.ledger.line("a.jpg"))), "it is sent if it comes back")
  }

  @Test("what a re-created topic has lost is looked at again") func imagesOfOldTopicReturn() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    for (path, offset) in [("a.jpg", Int64(0)), ("b.jpg", 1)] { try send(path, offset, session) }
    try record("gone.jpg", 2, session)
    try session.ledger.setTopicNew(losesWaiting: true)
    session.receiptStatus.losing.withLock { $0 = .recorded(after: "") }
    try handler.review()
    #expect(returning(session) == ["a.jpg", "b.jpg"])
    #expect(try state("gone.jpg", session) == .gone)
    #expect(session.receiptStatus.losing.withLock { $0 } == .nothing)
  }

  @Test("an output that the ledger cannot count is named") func uncountedOutputIsNamed() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    try send("a.jpg", 0, session)
    for number in 1...63 {
      try handler.handle([receipt([("b.jpg", 9)], by: "o\(number)")], now: moment(number * 2_000))
    }
    #expect(!lines.entries.hasEvent("output_ignored"))
    for _ in 0..<2 { try handler.handle([receipt([("a.jpg", 0)], by: "o64")], now: moment(200_000)) }
    #expect(lines.entries.events("output_ignored", ["output": "o64"]).count == 1, "\(lines.all)")
    #expect(try state("a.jpg", session) == .waiting)
    try session.ledger.forget()
    try send("a.jpg", 0, session)
    try handler.handle([receipt([("a.jpg", 0)], by: "o64")], now: moment(300_000))
    #expect(try state("a.jpg", session) == .confirmed, "the others are forgotten")
  }

  @Test("a dead letter's file stays, is named, and is not sent again") func deadLetterStays() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    try send("a.jpg", 0, session)
    try handler.handle([receipt([("a.jpg", 0)], .deadLetter(reason: "InvalidBase64"))], now: moment(0))
    try handler.review(now: moment(Self.late))
    let line = try #require(try session.ledger.line("a.jpg"))
    #expect(line.state == .deadLetter && session.isSent(line) && !session.mayLeave(line))
    #expect(returning(session) == [])
    #expect(lines.entries.hasEvent("image_dead_lettered", ["image": "a.jpg", "kind": "InvalidBase64"]))
  }

  @Test("an image whose segments did not all arrive is sent again at once") func incompleteImageIsSentAgain() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    try send("a.jpg", 4, session)
    try handler.handle([receipt([("a.jpg", 3)], .deadLetter(reason: "SegmentTimeout"))])
    #expect(try state("a.jpg", session) == .lost)
    #expect(returning(session) == ["a.jpg"])
  }

  @Test("a ledger that cannot be written loses no receipt") func failingLedgerLosesNothing() throws {
    let session = try session()
    let handler = try ReceiptHandler(session)
    try send("a.jpg", 0, session)
    let database = try Database(path: scratch / "state/\(Ledger.fileName)", busyTimeout: .seconds(1))
    try database.execute("CREATE TRIGGER full BEFORE UPDATE ON files BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    // The end of the run does not wait for the disk. The positions stay, so the receipts are read again.
    session.ending.set()
    try handler.handle([receipt([("a.jpg", 0)])], positions: [0: 1])
    #expect(lines.entries.hasEvent("ledger_failed"))
    #expect(try session.ledger.receiptPositions() == [:] && state("a.jpg", session) == .waiting)
    try database.execute("DROP TRIGGER full")
    try handler.handle([receipt([("a.jpg", 0)])], positions: [0: 1])
    #expect(try state("a.jpg", session) == .confirmed)
  }

  @Test(
    "lines of an older version are sent again only if their files wait to leave", arguments: AfterSentAction.allCases)
  func olderLinesAreSentAgain(action: AfterSentAction) throws {
    let line = Ledger.Line(
      stamp: FileStamp(size: 1, modified: 2, changed: 3, inode: 4), digest: digest(of: "a"), state: .unknown)
    #expect(try session { $0.afterSent = action }.isSent(line) == (action == .keep))
    let without = try session {
      $0.afterSent = action
      $0.receiptsNeeded = 0
    }
    #expect(without.isSent(line) && without.mayLeave(line) == (action != .keep))
  }
}
