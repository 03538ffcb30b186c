import Platform
import SQLite
import Testing

@testable import ImagePipeline

@Suite struct LedgerTests {
  private let scratch: Scratch
  private let ledger: Ledger

  init() throws {
    scratch = try Scratch()
    ledger = try Ledger(in: scratch / "state/ledger", cluster: "c", topic: "t", input: "/images")
  }

  private func ledger(cluster: String = "c", topic: String = "t", input: String = "/images") throws -> Ledger {
    try Ledger(in: scratch / "state/ledger", cluster: cluster, topic: topic, input: input)
  }

  private func line(_ text: String) -> Ledger.Line {
    Ledger.Line(
      stamp: FileStamp(size: text.utf8.count, modified: .max, inode: .max), digest: digest(of: text))
  }

  @Test func aLineComesBackAsItWasRecorded() throws {
    #expect(try ledger.line("a.jpg") == nil)
    try ledger.record([("a.jpg", line("a")), ("b\n\"'.jpg", line("b"))], offsets: [:])
    #expect(try ledger.line("a.jpg") == line("a"))
    #expect(try ledger.line("b\n\"'.jpg") == line("b"))
  }

  @Test func aNewerLineReplacesTheOlder() throws {
    try ledger.record([("a.jpg", line("a"))], offsets: [:])
    try ledger.record([("a.jpg", line("newer"))], offsets: [:])
    #expect(try ledger.line("a.jpg") == line("newer"))
  }

  @Test func itOutlivesItsProcess() throws {
    try ledger.record([("a.jpg", line("a"))], offsets: [0: 5, 3: 1 << 40])
    let again = try ledger()
    #expect(try again.line("a.jpg") == line("a"))
    #expect(try again.offsets() == [0: 5, 3: 1 << 40])
  }

  @Test func scopesDoNotMix() throws {
    try ledger.record([("a.jpg", line("a"))], offsets: [0: 5])
    let others = [try ledger(cluster: "d"), try ledger(topic: "u"), try ledger(input: "/other")]
    for other in others {
      #expect(try other.line("a.jpg") == nil)
      #expect(try other.offsets() == [:])
      try other.record([("a.jpg", line("other"))], offsets: [0: 9])
      try other.forget()
    }
    #expect(try ledger.line("a.jpg") == line("a"))
    #expect(try ledger.offsets() == [0: 5])
  }

  @Test func whatIsForgottenIsForgottenWhole() throws {
    try ledger.record([("a.jpg", line("a")), ("b.jpg", line("b"))], offsets: [0: 5])
    try ledger.forget()
    #expect(try ledger.line("a.jpg") == nil)
    #expect(try ledger.line("b.jpg") == nil)
    #expect(try ledger.offsets() == [:])
  }

  @Test func onlyWhatIsRemovedIsRemoved() throws {
    try ledger.record([("a.jpg", line("a")), ("b.jpg", line("b"))], offsets: [0: 5])
    try ledger.remove(["a.jpg", "never there"])
    try ledger.remove([])
    #expect(try ledger.line("a.jpg") == nil)
    #expect(try ledger.line("b.jpg") == line("b"))
    #expect(try ledger.offsets() == [0: 5])
  }

  @Test func namesThatOnlyLookAlikeAreTwo() throws {
    try ledger.record([("\u{E9}.jpg", line("composed"))], offsets: [:])
    #expect(try ledger.line("e\u{301}.jpg") == nil)
  }

  @Test func aLedgerOfAnotherVersionIsRefusedWithACure() throws {
    let database = try Database(path: scratch / "state/ledger/\(Ledger.fileName)", busyTimeoutMilliseconds: 0)
    try database.setUserVersion(7)
    database.close()
    let said = refusal { _ = try ledger() }
    #expect(said?.contains("version 7") == true)
    #expect(said?.contains("STATE_DIR") == true)
  }

  @Test func aFileThatIsNoLedgerIsAnError() throws {
    try scratch.write("broken/\(Ledger.fileName)", String(repeating: "no database", count: 100))
    #expect(throws: LedgerError.self) { try Ledger(in: scratch / "broken", cluster: "c", topic: "t", input: "/") }
  }
}
