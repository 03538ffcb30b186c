import TestSupport
import Testing

@testable import Producer
@testable import SQLite
@testable import Wire

@Suite struct LedgerTests {
  private let scratch: TestFolder
  private let ledger: Ledger

  init() throws {
    scratch = TestFolder()
    ledger = try Ledger(in: scratch / "state/ledger", cluster: "c", topic: "t", input: "/images")
  }

  private func ledger(cluster: String = "c", topic: String = "t", input: String = "/images") throws -> Ledger {
    try Ledger(in: scratch / "state/ledger", cluster: cluster, topic: topic, input: input)
  }

  private func line(_ text: String) -> Ledger.Line {
    Ledger.Line(
      stamp: FileStamp(size: text.utf8.count, modified: .max, changed: .max, inode: .max), digest: digest(of: text))
  }

  private func mark(_ offset: Int64) -> MessageMark {
    MessageMark(
      offset: offset, timestamp: offset == 5 ? nil : 1_700_000_000_000 + offset, key: digest(of: "key \(offset)"))
  }

  @Test("an entry comes back as it was recorded") func entryComesBack() throws {
    #expect(try ledger.line("a.jpg") == nil)
    try ledger.record([("a.jpg", line("a")), ("b\n\"'.jpg", line("b"))])
    #expect(try ledger.line("a.jpg") == line("a"))
    #expect(try ledger.line("b\n\"'.jpg") == line("b"))
  }

  @Test("an entry recorded during a read is seen at once") func newEntryIsSeenWhileReading() throws {
    try ledger.reading {
      #expect(try ledger.line("a.jpg") == nil)
      try ledger.record([("a.jpg", line("a"))])
      #expect(try ledger.line("a.jpg") == line("a"))
      try ledger.remove(["a.jpg"])
      #expect(try ledger.line("a.jpg") == nil)
    }
    // Another process's entry is seen when reading starts again.
    let other = try ledger()
    try other.record([("b.jpg", line("b"))])
    #expect(try ledger.reading { try ledger.line("b.jpg") } == line("b"))
    try other.record([("b.jpg", line("c"))])
    #expect(try ledger.line("b.jpg") == line("c"), "no reading is left open")
  }

  @Test("a newer entry replaces the older") func newerEntryReplacesOlder() throws {
    try ledger.record([("a.jpg", line("a"))])
    try ledger.record([("a.jpg", line("newer"))])
    #expect(try ledger.line("a.jpg") == line("newer"))
  }

  @Test("a ledger outlives its process") func ledgerOutlivesProcess() throws {
    try ledger.record([("a.jpg", line("a"))], marks: [0: mark(5), 3: mark(1 << 40)])
    let again = try ledger()
    #expect(try again.line("a.jpg") == line("a"))
    #expect(try again.marks() == [0: mark(5), 3: mark(1 << 40)])
  }

  @Test("scopes do not mix") func scopesDoNotMix() throws {
    try ledger.record([("a.jpg", line("a"))], marks: [0: mark(5)])
    let others = [try ledger(cluster: "d"), try ledger(topic: "u"), try ledger(input: "/other")]
    for other in others {
      #expect(try other.line("a.jpg") == nil)
      #expect(try other.marks() == [:])
      try other.record([("a.jpg", line("other"))], marks: [0: mark(9)])
      try other.forget()
    }
    #expect(try ledger.line("a.jpg") == line("a"))
    #expect(try ledger.marks() == [0: mark(5)])
  }

  @Test("a forgotten scope is empty") func forgottenScopeIsEmpty() throws {
    try ledger.record([("a.jpg", line("a")), ("b.jpg", line("b"))], marks: [0: mark(5)])
    try ledger.forget()
    #expect(try ledger.line("a.jpg") == nil)
    #expect(try ledger.line("b.jpg") == nil)
    #expect(try ledger.marks() == [:])
  }

  @Test("a removal removes only its entry") func removalRemovesOneEntry() throws {
    try ledger.record([("a.jpg", line("a")), ("b.jpg", line("b"))], marks: [0: mark(5)])
    try ledger.remove(["a.jpg", "never there"])
    try ledger.remove([])
    #expect(try ledger.line("a.jpg") == nil)
    #expect(try ledger.line("b.jpg") == line("b"))
    #expect(try ledger.marks() == [0: mark(5)])
  }

  /// Otherwise a message to a re-created topic would hide the re-creation.
  @Test("a mark stays until it is advanced") func markStaysUntilAdvanced() throws {
    try ledger.record([], marks: [0: mark(5)])
    try ledger.record([], marks: [0: mark(9), 1: mark(2)])
    #expect(try ledger.marks() == [0: mark(5), 1: mark(2)])
    try ledger.advance([0: mark(9)])
    #expect(try ledger().marks() == [0: mark(9), 1: mark(2)])
  }

  @Test("a re-created topic is remembered until its scope is forgotten") func newTopicIsRemembered() throws {
    #expect(try !ledger.isTopicNew())
    try ledger.setTopicNew()
    #expect(try ledger().isTopicNew())
    #expect(try !ledger(topic: "u").isTopicNew())
    try ledger.remove(["a.jpg"])
    #expect(try ledger.isTopicNew())
    try ledger.forget()
    #expect(try !ledger().isTopicNew())
  }

  @Test("names with different Unicode forms are two") func similarNamesAreTwo() throws {
    try ledger.record([("\u{E9}.jpg", line("composed"))])
    #expect(try ledger.line("e\u{301}.jpg") == nil)
  }

  @Test("a ledger of another version is refused with its fix") func otherVersionIsRefusedWithFix() throws {
    let database = try Database(path: scratch / "state/ledger/\(Ledger.fileName)", busyTimeout: .zero)
    try database.setUserVersion(7)
    database.close()
    let said = refusal { _ = try ledger() }
    #expect(said?.contains("version 7") == true)
    #expect(said?.contains("STATE_DIR") == true)
  }

  @Test("a file that is no ledger is an error") func otherFileIsAnError() throws {
    try scratch.write("broken/\(Ledger.fileName)", String(repeating: "no database", count: 100))
    #expect(throws: LedgerError.self) { try Ledger(in: scratch / "broken", cluster: "c", topic: "t", input: "/") }
  }
}
