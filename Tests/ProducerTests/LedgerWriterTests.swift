import TestSupport
import Testing

@testable import Configuration
@testable import Kafka
@testable import Platform
@testable import Producer
@testable import SQLite
@testable import Wire

/// From the broker's acknowledgement to the file's move or deletion.
@Suite struct LedgerWriterTests {
  private let scratch: TestFolder
  private let outbox = Outbox()
  private let lines = LogLines()
  private let mark = MessageMark(offset: 9, timestamp: 1, key: nil)

  init() throws {
    scratch = TestFolder()
    _ = try scratch.makeFolder("in")
  }

  private func ledger() throws -> Ledger {
    try Ledger(in: scratch / "state", cluster: "c", topic: "t", input: scratch / "in")
  }

  /// Writes the entries and returns the counts.
  private func write(_ entries: [LedgerWriter.Entry], _ action: AfterSentAction = .keep, _ stop: StopFlag = StopFlag())
    throws -> ProducerEvents.Counts
  {
    let events = ProducerEvents(log: lines.log, input: scratch / "in")
    let writer = LedgerWriter(
      ledger: try ledger(), outbox: outbox,
      afterSent: AfterSent(action: action, input: scratch / "in", sentFolder: scratch / "sent"),
      marks: { [mark] in [0: mark] }, events: events, stop: stop)
    for entry in entries { writer.add(entry) }
    writer.close()
    try writer.run()
    return events.now
  }

  private func stamp(_ path: String) throws -> FileStamp { FileStamp(try scratch.status("in/" + path)) }

  private func sent(_ path: String) throws -> LedgerWriter.Entry {
    #expect(outbox.claim(path))
    let flight = outbox.begin(path, try stamp(path), digest(of: path))
    let token = outbox.add(to: flight, bytes: 1)
    _ = outbox.settle(token)
    return .sent(try #require(outbox.end(flight)))
  }

  @Test("sent files are recorded with the marks") func sentFilesAreRecorded() throws {
    try scratch.write("in/a.jpg", "a")
    try scratch.write("in/b.jpg", "bb")
    let counts = try write([sent("a.jpg"), sent("b.jpg")])
    #expect(counts.sent == 2)
    #expect(counts.bytes == 3)
    #expect(
      try ledger().line("a.jpg") == Ledger.Line(stamp: stamp("a.jpg"), digest: digest(of: "a.jpg"), state: .waiting))
    #expect(try ledger().marks() == [0: mark])
    #expect(outbox.isEmpty)
  }

  @Test("a known file is recorded with its new stamp") func knownFileGetsNewStamp() throws {
    try scratch.write("in/a.jpg", "a")
    #expect(outbox.claim("a.jpg"))
    let counts = try write([.known(path: "a.jpg", stamp: stamp("a.jpg"), digest: digest(of: "a"))])
    #expect(counts.known == 1 && counts.sent == 0)
    #expect(try ledger().line("a.jpg")?.stamp == stamp("a.jpg"))
    #expect(outbox.isEmpty)
  }

  /// A file that has settled and is in the ledger, as the finder asks for it.
  private func settled(_ path: String) throws -> LedgerWriter.Entry {
    #expect(outbox.claim(path))
    return .settled(path: path, stamp: try stamp(path), looks: 0)
  }

  @Test("a sent file is checked once more before it is moved or deleted", arguments: AfterSentAction.allCases)
  func sentFileIsCheckedAgain(action: AfterSentAction) throws {
    try scratch.write("in/a.jpg", "a")
    _ = try write([sent("a.jpg")], action)
    #expect(scratch.exists("in/a.jpg"))
    let again = action == .keep ? [] : [Outbox.Recheck(path: "a.jpg", reason: .again)]
    #expect(outbox.takeRechecks() == again)
  }

  @Test("a file that has left the folder is forgotten")
  func deletedFileIsForgotten() throws {
    try scratch.write("in/a.jpg", "a")
    _ = try write([sent("a.jpg")], .delete)
    _ = try write([settled("a.jpg")], .delete)
    #expect(!scratch.exists("in/a.jpg"))
    #expect(try ledger().line("a.jpg") == nil)
    // The topic's end is still recorded.
    #expect(try ledger().marks() == [0: mark])
  }

  @Test("files that a killed run has deleted are forgotten by the next one", arguments: AfterSentAction.allCases)
  func filesOfKilledRunAreForgotten(action: AfterSentAction) throws {
    for name in ["gone.jpg", "cat/gone.jpg", "aside.jpg", "there.jpg"] {
      try scratch.write("in/" + name, name)
      _ = try write([sent(name)])
    }
    try scratch.remove("in/gone.jpg")
    try scratch.remove("in/cat")
    try scratch.move("in/aside.jpg", to: "in/.aside.jpg.image-pipeline-sent")
    _ = try write([], action)
    let left = try ledger().lines(after: "", limit: 9).map(\.path)
    let gone = action == .keep ? ["cat/gone.jpg", "gone.jpg"] : []
    #expect(left == (gone + ["aside.jpg", "there.jpg"]).sorted())
  }

  @Test("images that wait for receipts are not forgotten, although their files are gone", arguments: [0, 1, 2])
  func waitingImagesAreNotForgotten(outputs: Int) throws {
    try scratch.write("in/a.jpg", "a")
    let line = Ledger.Line(
      stamp: try stamp("a.jpg"), digest: digest(of: "a"),
      delivery: Ledger.Delivery(partition: 0, offset: 7, seen: 1, sent: 1, acknowledged: 1))
    try ledger().record([("a.jpg", line)])
    let reports = (0..<outputs).map {
      ReceiptReport(
        output: "o\($0)", path: "a.jpg", digest: line.digest, partition: 0, offset: 7, time: 2, outcome: .stored)
    }
    _ = try ledger().apply(reports, needed: 2)
    // Sent again, it waits again. Its file may leave all the same.
    try ledger().record([("a.jpg", line)])
    try scratch.remove("in/a.jpg")
    let writer = LedgerWriter(
      ledger: try ledger(), outbox: outbox,
      afterSent: AfterSent(action: .delete, input: scratch / "in", sentFolder: scratch / "sent"),
      receiptsNeeded: 2, events: ProducerEvents(log: lines.log, input: scratch / "in"), stop: StopFlag())
    writer.close()
    try writer.run()
    #expect(try (ledger().line("a.jpg") != nil) == (outputs < 2))
  }

  @Test("a file that changed since it was sent stays and is checked again")
  func changedFileStays() throws {
    try scratch.write("in/a.jpg", "a")
    let entry = try settled("a.jpg")
    try scratch.write("in/a.jpg", "newer")
    _ = try write([entry], .delete)
    #expect(try scratch.read("in/a.jpg") == "newer")
    #expect(outbox.takeRechecks() == [Outbox.Recheck(path: "a.jpg", reason: .again)])
  }

  @Test("a file that is open for writing is retried later")
  func openFileIsRetried() throws {
    try scratch.write("in/a.jpg", "a")
    let file = try File.open(scratch / "in/a.jpg", .readWrite)
    _ = try write([settled("a.jpg")], .delete)
    #expect(outbox.takeRechecks() == [Outbox.Recheck(path: "a.jpg", reason: .unsettled(.isOpen, looks: 1))])
    withExtendedLifetime(file) {}
    #expect(scratch.exists("in/a.jpg"))
  }

  @Test("a file that cannot be moved stays, is counted, and is logged")
  func immovableFileStays() throws {
    try scratch.write("in/a.jpg", "a")
    try scratch.write("sent", "a file in the folder's place")
    #expect(try write([sent("a.jpg")], .move).sent == 1)
    #expect(try write([settled("a.jpg")], .move).unhandled == 1)
    #expect(scratch.exists("in/a.jpg"))
    #expect(try ledger().line("a.jpg") != nil)
    #expect(lines.entries.hasEvent("sent_file_not_handled"))
  }

  @Test("a ledger that cannot be written keeps the file until it can") func failingLedgerKeepsFile() throws {
    try scratch.write("in/a.jpg", "a")
    let entry = try sent("a.jpg")
    _ = try ledger()
    let database = try Database(path: scratch / "state/\(Ledger.fileName)", busyTimeout: .seconds(1))
    let events = ProducerEvents(log: lines.log, input: scratch / "in")
    let writer = LedgerWriter(
      ledger: try ledger(), outbox: outbox,
      afterSent: AfterSent(action: .delete, input: scratch / "in", sentFolder: scratch / "sent"), events: events,
      stop: StopFlag())
    try database.execute("CREATE TRIGGER full BEFORE INSERT ON files BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    writer.add(entry)
    writer.close()
    let writing = BackgroundTask { try writer.run() }
    #expect(eventually { lines.entries.hasEvent("ledger_failed", naming: "disk full") })
    #expect(events.now.sent == 0)
    #expect(scratch.exists("in/a.jpg"))
    #expect(outbox.isClaimed("a.jpg"))
    try database.execute("DROP TRIGGER full")
    try writing.finish()
    #expect(events.now.sent == 1)
    #expect(outbox.claim("a.jpg"))
  }

  @Test("a run that stops gives up on a ledger that cannot be written") func stoppedRunGivesUpOnLedger() throws {
    try scratch.write("in/a.jpg", "a")
    let entry = try sent("a.jpg")
    _ = try ledger()
    let database = try Database(path: scratch / "state/\(Ledger.fileName)", busyTimeout: .seconds(1))
    try database.execute("CREATE TRIGGER full BEFORE INSERT ON files BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    let stop = StopFlag()
    stop.set()
    let counts = try write([entry], .delete, stop)
    #expect(counts.sent == 0)
    #expect(scratch.exists("in/a.jpg"))
  }

  @Test("nobody waits for a writer that has failed") func failedWriterHoldsNobody() throws {
    try scratch.write("in/a.jpg", "a")
    let (entry, stamp) = (try sent("a.jpg"), try stamp("a.jpg"))
    let ledger = try ledger()
    let writer = LedgerWriter(
      ledger: ledger, outbox: outbox,
      afterSent: AfterSent(action: .delete, input: scratch / "in", sentFolder: scratch / "sent"),
      events: ProducerEvents(log: lines.log, input: scratch / "in"), stop: StopFlag())
    try scratch.remove("state/\(Ledger.fileName)")
    writer.add(entry)
    #expect(throws: LedgerError.self) { try writer.run() }
    let adding = BackgroundTask {
      // More than the queue holds.
      for _ in 0...LedgerWriter.mostWaiting { writer.add(.settled(path: "b.jpg", stamp: stamp, looks: 0)) }
    }
    #expect(eventually { adding.isReady })
  }
}
