import Glibc
import TestSupport
import Testing

@testable import Platform

/// With RECEIPTS_NEEDED=0, AFTER_SENT moves or deletes a file after broker and ledger have it, and never before.
@Suite(.ownThread) struct AfterSendingTests {
  let folder = TestFolder()
  let broker: Broker
  let topic: TopicContent

  init() throws {
    broker = try Broker()
    topic = try TopicContent(broker)
    try folder.makeFolder("images")
  }

  private func environment(_ more: [String: String]) -> [String: String] {
    broker.environment(["RECEIPTS_NEEDED": "0"].merging(more) { $1 })
  }

  private func once(_ settings: [String: String]) throws -> Program {
    let program = try Program(["producer", "--once"], in: folder, environment: environment(settings))
    #expect(program.exitCode() == 0, "\(program.output)")
    return program
  }

  @Test("AFTER_SENT=keep leaves the files where they are") func keepLeavesFiles() throws {
    try folder.write("images/cat/a.jpg", [1])
    _ = try once([:])
    #expect(try folder.files("images") == ["cat/a.jpg"])
  }

  @Test("AFTER_SENT=move keeps subfolders and every version of a file") func moveKeepsFoldersAndVersions() throws {
    try folder.write("images/cat/a.jpg", [1])
    try folder.write("images/b.jpg", [2])
    // A slash followed by a combining accent is one character to Swift and two to the kernel.
    try folder.write("images/cat/\u{301}c.jpg", [3])
    _ = try once(["AFTER_SENT": "move"])
    for version: UInt8 in 4...5 {
      try folder.write("images/cat/a.jpg", [version])
      _ = try once(["AFTER_SENT": "move"])
    }
    let sent = ["b.jpg", "cat/a.jpg", "cat/a.jpg.2", "cat/a.jpg.3", "cat/\u{301}c.jpg"]
    #expect(try folder.files("images/.sent") == sent)
    #expect(folder.bytes("images/.sent/cat/a.jpg.3") == [5])
    #expect(try folder.files("images").allSatisfy { $0.hasPrefix(".sent/") })
    #expect(try topic.versions(of: "cat/a.jpg") == [[1], [4], [5]])
  }

  @Test("moved files are never sent again", arguments: ["images/sent", "./images/cat/../sent/", "elsewhere/sent"])
  func movedFilesAreNotSentAgain(target: String) throws {
    for number in 0..<5 { try folder.write("images/cat/\(number).jpg", [UInt8(number)]) }
    let settings = ["AFTER_SENT": "move", "SENT_DIR": target, "SETTLE_MS": "0", "RESCAN_MS": "100"]
    for _ in 0..<3 { _ = try once(settings) }
    let producer = try Program(["producer"], in: folder, environment: environment(settings))
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    // By then, events and scans have both had a chance to find the files.
    try folder.makeHardLink("images/scanned.jpg", to: target + "/cat/0.jpg")
    #expect(eventually { try topic.names().contains("scanned.jpg") }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    let names = try topic.names().filter { $0 != "ready.jpg" }
    #expect(names == (0..<5).map { "cat/\($0).jpg" } + ["scanned.jpg"])
    #expect(folder.exists(target + "/cat/4.jpg"))
  }

  @Test("AFTER_SENT=delete removes the files that were sent") func deleteRemovesFiles() throws {
    for number in 0..<20 { try folder.write("images/\(number % 3)/\(number).jpg", [UInt8(number)]) }
    _ = try once(["AFTER_SENT": "delete"])
    #expect(try folder.files("images").isEmpty)
    #expect(try topic.names().count == 20)
    // The ledger has forgotten it, so the same image under the same name is new.
    try folder.write("images/0/0.jpg", [0])
    _ = try once(["AFTER_SENT": "delete"])
    #expect(try topic.versions(of: "0/0.jpg") == [[0], [0]])
  }

  @Test("a file stays until the broker has acknowledged it", arguments: ["move", "delete"])
  func fileStaysUntilAcknowledged(action: String) throws {
    let environment = self.environment(["AFTER_SENT": action, "SETTLE_MS": "1000", "RESCAN_MS": "100"])
    let producer = try Program(["producer"], in: folder, environment: environment)
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    #expect(eventually { !folder.exists("images/ready.jpg") })
    broker.setDown(true)
    try folder.write("images/a.jpg", [1, 2, 3])
    #expect(eventually { producer.hasEvent("librdkafka_log", naming: "_ALL_BROKERS_DOWN") }, "\(producer.output)")
    #expect(folder.bytes("images/a.jpg") == [1, 2, 3])
    // A second version must not be taken for the first one, which is still in flight.
    try folder.write("images/a.jpg", [4, 5, 6])
    broker.setDown(false)
    #expect(eventually { !folder.exists("images/a.jpg") }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(try TopicContent(broker).versions(of: "a.jpg").last == [4, 5, 6])
  }

  @Test(
    "a file that a crash left after its ledger entry is moved or deleted by the next run",
    arguments: ["move", "delete"])
  func crashAfterLedgerIsRecovered(action: String) throws {
    for number in 0..<10 { try folder.write("images/cat/\(number).jpg", [UInt8(number)]) }
    // This is how a crash leaves them: recorded in the ledger and still in the folder.
    _ = try once([:])
    let second = try once(["AFTER_SENT": action])
    #expect(second.sent == 0, "\(second.output)")
    #expect(try topic.names().count == 10)
    #expect(try folder.files("images").filter { !$0.hasPrefix(".sent/") }.isEmpty)
    #expect(action == "delete" || folder.exists("images/.sent/cat/9.jpg"))
  }

  @Test("a producer that is killed repeatedly moves each file once, after it was sent")
  func killedProducerMovesFilesOnce() throws {
    let count = 300
    for number in 0..<count { try folder.write("images/\(number).jpg", SeededNumbers.bytes(500, seed: UInt64(number))) }
    let environment = self.environment(["AFTER_SENT": "move", "SETTLE_MS": "0"])
    for round in 1...4 {
      let producer = try Program(["producer"], in: folder, environment: environment)
      #expect(eventually { try folder.files("images").count { $0.hasPrefix(".sent/") } >= round * 40 })
      producer.signal(SIGKILL)
      _ = producer.exitCode()
    }
    _ = try once(["AFTER_SENT": "move"])
    #expect(try folder.files("images") == (0..<count).map { ".sent/\($0).jpg" }.sorted())
    #expect(Set(try topic.names()).count == count)
    for number in 0..<count {
      #expect(folder.bytes("images/.sent/\(number).jpg") == SeededNumbers.bytes(500, seed: UInt64(number)))
    }
  }

  @Test("a file that cannot be moved is reported once and stays") func unmovableFileIsReportedOnce() throws {
    try folder.write("images/a.jpg", [1])
    // A file where the folder should be.
    try folder.write("images/cat/b.jpg", [2])
    try folder.write("sent/cat", [0])
    let settings = ["AFTER_SENT": "move", "SENT_DIR": "sent", "SETTLE_MS": "0", "RESCAN_MS": "100"]
    let producer = try Program(["producer"], in: folder, environment: environment(settings))
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    #expect(eventually { producer.hasEvent("sent_file_not_handled") }, "\(producer.output)")
    for name in ["c.jpg", "d.jpg"] {
      // It is found by a scan, which checks the other file again.
      try folder.makeHardLink("images/" + name, to: "images/cat/b.jpg")
      #expect(eventually { folder.exists("sent/" + name) }, "\(producer.output)")
    }
    #expect(producer.terminate() == 0)
    #expect(folder.bytes("images/cat/b.jpg") == [2])
    #expect(producer.events("sent_file_not_handled").count == 1, "\(producer.output)")
    #expect(try topic.versions(of: "cat/b.jpg") == [[2]])
  }
}
