import TestSupport
import Testing

@testable import Configuration
@testable import Producer
@testable import Wire

/// Receipts that are applied to the ledger.
@Suite struct LedgerReceiptsTests {
  private let scratch: TestFolder
  private let ledger: Ledger

  init() throws {
    scratch = TestFolder()
    ledger = try Ledger(in: scratch / "state", cluster: "c", topic: "t", input: "/images")
  }

  private func line(_ text: String, _ offset: Int64, partition: Int32 = 0, seen: Int64 = 100) -> Ledger.Line {
    Ledger.Line(
      stamp: FileStamp(size: 1, modified: 2, changed: 3, inode: 4), digest: digest(of: text),
      delivery: Ledger.Delivery(partition: partition, offset: offset, seen: seen, sent: 200, acknowledged: 300 + offset)
    )
  }

  private func report(
    _ path: String?, _ text: String?, _ offset: Int64, by output: String = "o1", partition: Int32 = 0,
    _ outcome: Receipt.Outcome = .stored
  ) -> ReceiptReport {
    ReceiptReport(
      output: output, path: path, digest: text.map { digest(of: $0) }, partition: partition, offset: offset, time: 500,
      outcome: outcome)
  }

  private func passed(_ next: Int64, by output: String = "o1", partition: Int32 = 0) -> PassedPosition {
    PassedPosition(output: output, partition: partition, next: next)
  }

  private func state(_ path: String) throws -> Ledger.State? { try ledger.line(path)?.state }

  @Test("a line waits until an output has its image", arguments: [Receipt.Outcome.stored, .unchanged, .superseded])
  func receiptConfirms(outcome: Receipt.Outcome) throws {
    try ledger.record([("a.jpg", line("a", 7))])
    #expect(try state("a.jpg") == .waiting && ledger.isWaiting())
    #expect(try ledger.apply([report("a.jpg", "a", 7, outcome)], needed: 1) == [.confirmed(path: "a.jpg", seen: 100)])
    #expect(try state("a.jpg") == .confirmed && !ledger.isWaiting())
    #expect(try ledger.apply([report("a.jpg", "a", 7, outcome)], needed: 1) == [.noted], "it comes at least once")
  }

  @Test("a receipt for other bytes, an earlier message or another partition confirms nothing")
  func foreignReceiptIsUnmatched() throws {
    try ledger.record([
      ("a.jpg", line("a", 7)), ("old.jpg", Ledger.Line(stamp: line("b", 0).stamp, digest: digest(of: "b"))),
    ])
    let reports = [
      report("a.jpg", "b", 7), report("a.jpg", "a", 6), report("a.jpg", "a", 7, partition: 1), report("c.jpg", "a", 7),
      report("a.jpg", nil, 7), report("old.jpg", "b", 9),
    ]
    #expect(try ledger.apply(reports, needed: 1) == reports.map { _ in .unmatched })
    #expect(try state("a.jpg") == .waiting && state("old.jpg") == .unknown)
  }

  @Test("as many outputs as needed have to confirm an image") func outputsAreCounted() throws {
    try ledger.record([("a.jpg", line("a", 7))])
    #expect(try ledger.apply([report("a.jpg", "a", 7, by: "o1")], needed: 2) == [.noted])
    #expect(try ledger.apply([report("a.jpg", "a", 9, by: "o1")], needed: 2) == [.noted])
    #expect(try state("a.jpg") == .waiting)
    let ledger = try Ledger(in: scratch / "state", cluster: "c", topic: "t", input: "/images")
    #expect(
      try ledger.apply([report("a.jpg", "a", 8, by: "o2")], needed: 2) == [.confirmed(path: "a.jpg", seen: 100)])
  }

  @Test("lines are judged again when another number of outputs is needed") func neededNumberChanges() throws {
    try ledger.setReceiptsNeeded(2)
    try ledger.record([("a.jpg", line("a", 1)), ("b.jpg", line("b", 2)), ("c.jpg", line("c", 3))])
    let reports = [report("a.jpg", "a", 1), report("b.jpg", "b", 2), report("b.jpg", "b", 2, by: "o2")]
    _ = try ledger.apply(reports, needed: 2)
    try ledger.setReceiptsNeeded(1)
    #expect(try state("a.jpg") == .confirmed && state("b.jpg") == .confirmed && state("c.jpg") == .waiting)
    try ledger.setReceiptsNeeded(2)
    #expect(try state("a.jpg") == .waiting && state("b.jpg") == .confirmed)
  }

  @Test("a dead letter is matched by name and hash, or by its offset") func deadLetterIsMatched() throws {
    try ledger.record([("a.jpg", line("a", 7)), ("b.jpg", line("b", 8)), ("c.jpg", line("c", 9))])
    let bad = Receipt.Outcome.deadLetter(reason: "InvalidBase64")
    let effects = try ledger.apply(
      [
        report("a.jpg", "a", 5, bad), report(nil, nil, 8, bad), report("c.jpg", nil, 8, bad), report(nil, nil, 20, bad),
      ],
      needed: 1)
    #expect(
      effects == [
        .deadLetter(path: "a.jpg", reason: "InvalidBase64"), .deadLetter(path: "b.jpg", reason: "InvalidBase64"),
        .unmatched, .unmatched,
      ])
    #expect(try state("a.jpg") == .deadLetter && state("b.jpg") == .deadLetter && state("c.jpg") == .waiting)
    #expect(
      try ledger.lose([passedAfter(20)], needed: 2, excluding: PathSet(), limit: 9) == ["c.jpg"],
      "dead letters are not lost")
  }

  /// Makes the output known and returns how far it has come.
  private func passedAfter(_ next: Int64) throws -> PassedPosition {
    _ = try ledger.apply([], needed: 1, passed: [passed(next)])
    return passed(next)
  }

  @Test("a dead letter that is replayed and stored is confirmed") func replayedDeadLetterIsConfirmed() throws {
    try ledger.record([("a.jpg", line("a", 7))])
    _ = try ledger.apply([report("a.jpg", "a", 7, .deadLetter(reason: "HashMismatch"))], needed: 1)
    #expect(try ledger.apply([report("a.jpg", "a", 30)], needed: 1) == [.confirmed(path: "a.jpg", seen: 100)])
    // Another output's dead letter takes nothing back.
    #expect(
      try ledger.apply([report("a.jpg", "a", 7, by: "o2", .deadLetter(reason: "HashMismatch"))], needed: 1) == [.noted])
    #expect(try state("a.jpg") == .confirmed)
  }

  @Test("an image whose segments did not arrive in time is lost") func incompleteImageIsLost() throws {
    try ledger.record([("a.jpg", line("a", 7))])
    let report = report("a.jpg", "a", 6, .deadLetter(reason: "SegmentTimeout"))
    #expect(try ledger.apply([report], needed: 1) == [.lost(path: "a.jpg")])
    #expect(try state("a.jpg") == .lost)
  }

  @Test("an image is lost when an output has passed it and does not have it") func passedImageIsLost() throws {
    try ledger.record((0..<5).map { ("\($0).jpg", line("\($0)", Int64($0))) } + [("p.jpg", line("p", 0, partition: 1))])
    _ = try ledger.apply([report("1.jpg", "1", 1)], needed: 2, passed: [passed(3)])
    #expect(try ledger.passedPositions() == [passed(3)])
    var excluded = PathSet()
    excluded.insert("0.jpg")
    #expect(try ledger.lose([passed(3)], needed: 2, excluding: excluded, limit: 9) == ["2.jpg"])
    #expect(try ledger.lose([passed(3)], needed: 2, excluding: PathSet(), limit: 9) == ["0.jpg"])
    #expect(
      try ledger.lose([passed(5)], needed: 2, excluding: PathSet(), limit: 9) == [], "only what is recorded counts")
    _ = try ledger.apply([], needed: 2, passed: [passed(5)])
    #expect(
      try ledger.lose([passed(5)], needed: 2, excluding: PathSet(), limit: 1) == ["3.jpg"], "not more than asked for")
    #expect(try ledger.lose([passed(5, by: "unknown")], needed: 2, excluding: PathSet(), limit: 9) == [])
    #expect(try state("1.jpg") == .waiting && state("2.jpg") == .lost && state("p.jpg") == .waiting)
    #expect(try Set(ledger.paths(.lost, limit: 9)) == ["0.jpg", "2.jpg", "3.jpg"])
    try ledger.setGone(["2.jpg", "1.jpg"])
    #expect(try state("2.jpg") == .gone && state("1.jpg") == .waiting)
  }

  @Test("an image that is stored, sent again and lost is confirmed") func lostRepetitionIsConfirmed() throws {
    try ledger.record([("a.jpg", line("a", 7)), ("b.jpg", line("b", 8))])
    _ = try ledger.apply([report("a.jpg", "a", 7)], needed: 1, passed: [passed(9)])
    try ledger.record([("a.jpg", line("a", 40))])
    #expect(try state("a.jpg") == .waiting)
    _ = try ledger.apply([], needed: 1, passed: [passed(50)])
    #expect(try ledger.lose([passed(50)], needed: 1, excluding: PathSet(), limit: 9) == ["b.jpg"])
    #expect(try state("a.jpg") == .confirmed && state("b.jpg") == .lost)
  }

  @Test("an image that is sent again waits again, and keeps the outputs that have it") func resentImageWaits() throws {
    try ledger.record([("a.jpg", line("a", 7))])
    _ = try ledger.apply([report("a.jpg", "a", 7)], needed: 2, passed: [passed(20), passed(20, by: "o2")])
    #expect(try ledger.lose([passed(20, by: "o2")], needed: 2, excluding: PathSet(), limit: 9) == ["a.jpg"])
    try ledger.record([("a.jpg", line("a", 40, seen: 900))])
    #expect(try state("a.jpg") == .waiting)
    // What took so long was this image, since its first sending.
    #expect(
      try ledger.apply([report("a.jpg", "a", 40, by: "o2")], needed: 2) == [.confirmed(path: "a.jpg", seen: 100)])
    // Other bytes are another image.
    try ledger.record([("a.jpg", line("b", 50, seen: 900))])
    #expect(try ledger.line("a.jpg")?.outputs == 0)
    #expect(try ledger.apply([report("a.jpg", "b", 50, by: "o2")], needed: 2) == [.noted])
  }

  @Test("a new stamp for the same bytes changes nothing else") func knownFileKeepsItsState() throws {
    try ledger.record([("a.jpg", line("a", 7))])
    _ = try ledger.apply([report("a.jpg", "a", 7)], needed: 1)
    let stamp = FileStamp(size: 9, modified: 9, changed: 9, inode: 9)
    try ledger.record([("a.jpg", Ledger.Line(stamp: stamp, digest: digest(of: "a")))])
    let line = try #require(try ledger.line("a.jpg"))
    #expect(line.stamp == stamp && line.state == .confirmed && line.outputs == 1)
    #expect(try ledger.apply([report("a.jpg", "a", 6)], needed: 1) == [.unmatched], "its message is where it was")
  }

  @Test("how far receipts are read outlives the process") func positionsOutliveProcess() throws {
    _ = try ledger.apply([], needed: 1, passed: [passed(5), passed(9, by: "o2", partition: 3)], positions: [0: 17])
    // An output that starts again with less has less.
    _ = try ledger.apply([], needed: 1, passed: [passed(2)], positions: [1: 4])
    let again = try Ledger(in: scratch / "state", cluster: "c", topic: "t", input: "/images")
    #expect(try again.receiptPositions() == [0: 17, 1: 4])
    #expect(try again.passedPositions() == [passed(2), passed(9, by: "o2", partition: 3)])
    #expect(try again.knowsOutputs())
    try again.forget()
    #expect(try again.receiptPositions() == [0: 17, 1: 4] && again.passedPositions() == [])
  }

  @Test("a re-created topic has no positions, and may have lost what waits", arguments: [false, true])
  func newTopicLosesWaiting(loses: Bool) throws {
    try ledger.record([("a.jpg", line("a", 7)), ("b.jpg", line("b", 8))])
    _ = try ledger.apply([report("a.jpg", "a", 7)], needed: 1, passed: [passed(8)])
    try ledger.setTopicNew(losesWaiting: loses)
    #expect(try ledger.passedPositions() == [])
    #expect(try state("a.jpg") == .confirmed && state("b.jpg") == (loses ? .lost : .waiting))
  }

  @Test("the oldest image that waits is found in whatever partition it is") func oldestWaitingIsFound() throws {
    #expect(try ledger.waiting() == (0, nil))
    try ledger.record([
      ("a.jpg", line("a", 7)), ("b.jpg", line("b", 2, partition: 5)), ("c.jpg", line("c", 4, partition: 9)),
    ])
    #expect(try ledger.waiting() == (3, 302))
    _ = try ledger.apply([report("b.jpg", "b", 2, partition: 5)], needed: 1)
    #expect(try ledger.waiting() == (2, 304))
  }

  @Test("receipts of one input do not change another's lines") func scopesDoNotMix() throws {
    let other = try Ledger(in: scratch / "state", cluster: "c", topic: "t", input: "/other")
    try ledger.record([("a.jpg", line("a", 7))])
    #expect(try other.apply([report("a.jpg", "a", 7)], needed: 1, passed: [passed(9)]) == [.unmatched])
    #expect(try other.lose([passed(9)], needed: 2, excluding: PathSet(), limit: 9) == [])
    #expect(try state("a.jpg") == .waiting && ledger.passedPositions() == [] && !other.isWaiting())
  }

  @Test("a missing file of the ledger is noticed before receipts are applied") func missingLedgerIsNoticed() throws {
    try scratch.remove("state/\(Ledger.fileName)")
    #expect(throws: LedgerError.self) { try ledger.apply([report("a.jpg", "a", 7)], needed: 1) }
  }
}
