import Glibc
import TestSupport
import Testing

@testable import Platform
@testable import SQLite
@testable import Wire

/// AFTER_SENT moves or deletes a file after receipts have confirmed its image. Lost images are sent again. The tests write
/// the receipts.
@Suite(.ownThread) struct ProducerReceiptTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let topic: TopicContent
  private let output: ReceiptWriter

  init() throws {
    broker = try Broker.preferred()
    topic = try TopicContent(broker)
    output = try ReceiptWriter(broker)
    try folder.makeFolder("images")
  }

  private func producer(_ action: String, _ arguments: [String] = [], _ more: [String: String] = [:]) throws -> Program
  {
    let environment = ["AFTER_SENT": action, "SENT_DIR": "sent", "SETTLE_MS": "50", "RESCAN_MS": "100"]
    return try Program(
      ["producer"] + arguments, in: folder, environment: broker.environment(environment.merging(more) { $1 }))
  }

  private func writeImages(_ count: Int) throws {
    for number in 0..<count { try folder.write("images/cat/\(number).jpg", [UInt8(number)]) }
  }

  private func expectSent(_ count: Int, _ producer: Program, sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(eventually { try topic.messages().count == count }, "\(producer.output)", sourceLocation: sourceLocation)
  }

  private func isLeft(_ names: String...) throws -> Bool { try folder.files("images") == names }

  @Test("a file stays until its receipt arrives", arguments: ["move", "delete"]) func fileStaysUntilReceipt(
    action: String
  ) throws {
    try writeImages(3)
    let producer = try producer(action)
    try expectSent(3, producer)
    try output.report(try topic.messages().filter { $0.name != "cat/1.jpg" })
    #expect(eventually { try isLeft("cat/1.jpg") }, "\(producer.output)")
    #expect(throughout(.milliseconds(500)) { folder.exists("images/cat/1.jpg") }, "many scans do not take it")
    try output.report(try topic.messages().filter { $0.name == "cat/1.jpg" }, .unchanged)
    #expect(eventually { try isLeft() }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    if action == "move" { #expect(try folder.files("sent") == (0..<3).map { "cat/\($0).jpg" }) }
    #expect(try topic.messages().count == 3)
  }

  @Test("a new ledger does not believe receipts that are older than its images") func oldReceiptsAreSkipped() throws {
    try writeImages(1)
    let earlier = try Program.sendAll(in: folder, broker)
    #expect(earlier.exitCode() == 0, "\(earlier.output)")
    // In an earlier topic, the image had a later offset. The ledger and the output of that time are gone.
    try output.report(try topic.messages(), later: 100)
    try folder.remove(".image-pipeline/ledger.sqlite")
    for suffix in ["-wal", "-shm"] where folder.exists(".image-pipeline/ledger.sqlite" + suffix) {
      try folder.remove(".image-pipeline/ledger.sqlite" + suffix)
    }
    let producer = try producer("delete")
    try expectSent(2, producer)
    #expect(throughout(.seconds(1)) { folder.exists("images/cat/0.jpg") })
    try output.report(try topic.messages())
    #expect(eventually { try isLeft() }, "\(producer.output)")
  }

  @Test("after a kill, an old version that came back is sent again") func restoredVersionIsSent() throws {
    try folder.write("images/a.jpg", [1])
    #expect(try Program.sendAll(in: folder, broker).sent == 1)
    try folder.write("images/a.jpg", [2])
    let killed = try Program.sendAll(in: folder, broker, ["FAULT_POINT": "imageAcknowledged"])
    #expect(killed.exitCode() == 128 + SIGKILL, "\(killed.output)")
    try folder.write("images/a.jpg", [1])
    #expect(try Program.sendAll(in: folder, broker).sent == 1)
    #expect(try topic.messages().map(\.bytes) == [[1], [2], [1]])
  }

  @Test("with RECEIPTS_NEEDED=2 a file stays until two outputs have confirmed it") func twoOutputsConfirm() throws {
    try writeImages(1)
    let producer = try producer("delete", [], ["RECEIPTS_NEEDED": "2"])
    try expectSent(1, producer)
    try output.report(try topic.messages())
    try output.report(try topic.messages())
    #expect(throughout(.seconds(1)) { folder.exists("images/cat/0.jpg") })
    try ReceiptWriter(broker, output: "o2").report(try topic.messages())
    #expect(eventually { try isLeft() }, "\(producer.output)")
  }

  @Test("a newer version stays although the older one is confirmed") func newerVersionStays() throws {
    try folder.write("images/a.jpg", [1])
    let producer = try producer("delete")
    try expectSent(1, producer)
    let old = try topic.messages()
    try folder.write("images/a.jpg", [2])
    try expectSent(2, producer)
    try output.report(old)
    #expect(throughout(.milliseconds(500)) { folder.exists("images/a.jpg") })
    try output.report(try topic.messages().filter { $0.offset > old[0].offset })
    #expect(eventually { try isLeft() }, "\(producer.output)")
  }

  @Test("the file of a dead letter stays and is named, until a later receipt confirms the image") func deadLetterStays()
    throws
  {
    try writeImages(2)
    let producer = try producer("delete")
    try expectSent(2, producer)
    let bad = try topic.messages().filter { $0.name == "cat/0.jpg" }
    try output.report(bad, .deadLetter(reason: "HashMismatch"))
    try output.report(try topic.messages().filter { $0.name != "cat/0.jpg" })
    let event = ["image": "cat/0.jpg", "kind": "HashMismatch"]
    #expect(eventually { producer.hasEvent("image_dead_lettered", event) }, "\(producer.output)")
    #expect(eventually { try isLeft("cat/0.jpg") }, "\(producer.output)")
    try output.report(bad)
    #expect(eventually { try isLeft() }, "\(producer.output)")
    #expect(try topic.messages().count == 2)
  }

  @Test("an image that the output passed without it is sent again, once", arguments: ["keep", "delete"])
  func lostImageIsSentAgain(action: String) throws {
    let port = try StatusPage.freePort()
    try writeImages(3)
    let producer = try producer(action, [], ["HTTP_PORT": "\(port)"])
    try expectSent(3, producer)
    let lost = try topic.messages().min { $0.offset < $1.offset }!
    try output.report(try topic.messages().filter { $0 != lost })
    #expect(eventually(within: .seconds(60)) { try topic.versions(of: lost.name).count == 2 }, "\(producer.output)")
    #expect(producer.hasEvent("image_lost", ["image": lost.name]), "\(producer.output)")
    let page = StatusPage(port: port)
    #expect(page.value("image_pipeline_images_lost_total") == 1)
    // Counting them is put off if the machine is busy.
    #expect(eventually(within: .seconds(60)) { page.value("image_pipeline_images_waiting_for_receipt") == 1 })
    try output.report([#require(try topic.messages().last { $0.name == lost.name })])
    #expect(eventually(within: .seconds(60)) { page.value("image_pipeline_images_waiting_for_receipt") == 0 })
    #expect(eventually { page.value("image_pipeline_receipt_seconds_count") == 3 })
    if action == "delete" { #expect(eventually { try isLeft() }, "\(producer.output)") }
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(try topic.messages().count == 4)
  }

  @Test("a run acts on receipts that arrived after the last run, and counts the waiting images") func nextRunActs()
    throws
  {
    try writeImages(2)
    let first = try producer("delete", ["--once"])
    #expect(first.exitCode() == 0, "\(first.output)")
    #expect(first.hasEvent("producer_finished", ["images": "2", "waiting_for_receipt": "2"]), "\(first.output)")
    #expect(try folder.files("images").count == 2)
    try output.report(try topic.messages().filter { $0.name == "cat/0.jpg" })
    let second = try producer("delete", ["--once"])
    #expect(second.exitCode() == 0, "\(second.output)")
    #expect(second.hasEvent("producer_finished", ["images": "0", "waiting_for_receipt": "1"]), "\(second.output)")
    #expect(try isLeft("cat/1.jpg"))
  }

  @Test("receipts that another topic or an expired one had are read from the beginning") func positionStartsAgain()
    throws
  {
    try writeImages(2)
    let first = try producer("delete", ["--once"])
    #expect(first.exitCode() == 0, "\(first.output)")
    try output.report(try topic.messages())
    let ledger = try Database(path: folder.path + "/.image-pipeline/ledger.sqlite", busyTimeout: .seconds(5))
    try ledger.execute("REPLACE INTO receipt_positions SELECT id, 0, 1000 FROM scopes")
    ledger.close()
    let producer = try producer("delete")
    #expect(eventually { try isLeft() }, "\(producer.output)")
  }

  @Test("--until-stored ends when everything is confirmed and every file has left") func runEndsWhenStored() throws {
    try writeImages(3)
    let producer = try producer("delete", ["--once", "--until-stored"])
    try expectSent(3, producer)
    try output.report(try topic.messages().filter { $0.name != "cat/1.jpg" })
    #expect(eventually { try isLeft("cat/1.jpg") }, "\(producer.output)")
    #expect(throughout(.milliseconds(500)) { !producer.hasEnded })
    try output.report(try topic.messages().filter { $0.name == "cat/1.jpg" })
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(try isLeft())
    let again = try self.producer("delete", ["--once", "--until-stored"])
    #expect(again.exitCode() == 0, "there is nothing to wait for: \(again.output)")
  }

  @Test("--until-stored exits with 1 if an image became a dead letter") func deadLetterFailsRun() throws {
    try writeImages(2)
    let producer = try producer("keep", ["--once", "--until-stored"])
    try expectSent(2, producer)
    try output.report(try topic.messages().filter { $0.name == "cat/0.jpg" }, .deadLetter(reason: "HashMismatch"))
    try output.report(try topic.messages().filter { $0.name != "cat/0.jpg" })
    #expect(producer.exitCode() == 1, "\(producer.output)")
    // Without its file, nobody can do anything about it.
    try folder.remove("images/cat/0.jpg")
    let again = try self.producer("keep", ["--once", "--until-stored"])
    #expect(again.exitCode() == 0, "\(again.output)")
  }

  @Test("--until-stored sends lost images again, and exits with 1 if a file is gone", arguments: [false, true])
  func lostImagesAreSentInRun(isGone: Bool) throws {
    try writeImages(2)
    let producer = try producer("keep", ["--once", "--until-stored"])
    try expectSent(2, producer)
    let lost = try topic.messages().min { $0.offset < $1.offset }!
    if isGone { try folder.remove("images/" + lost.name) }
    try output.report(try topic.messages().filter { $0 != lost })
    if isGone {
      #expect(producer.exitCode() == 1, "\(producer.output)")
      #expect(producer.hasEvent("lost_image_gone", ["image": lost.name]), "\(producer.output)")
    } else {
      #expect(eventually(within: .seconds(60)) { try topic.versions(of: lost.name).count == 2 }, "\(producer.output)")
      try output.report([#require(try topic.messages().last { $0.name == lost.name })])
      #expect(producer.exitCode() == 0, "\(producer.output)")
    }
  }

  @Test("--until-stored needs --once and receipts") func untilStoredNeedsReceipts() throws {
    #expect(try producer("keep", ["--until-stored"]).exitCode() == 2)
    let producer = try producer("keep", ["--once", "--until-stored"], ["RECEIPTS_NEEDED": "0"])
    #expect(producer.exitCode() == 2, "\(producer.output)")
  }

  @Test("files that an older version has sent are sent once more before they leave") func olderLinesAreSentAgain()
    throws
  {
    try writeImages(2)
    #expect(try producer("keep", ["--once"]).exitCode() == 0)
    let ledger = try Database(path: folder.path + "/.image-pipeline/ledger.sqlite", busyTimeout: .seconds(5))
    try ledger.execute("UPDATE files SET state = 0, partition = -1, offset = -1, seen = 0")
    ledger.close()
    try output.report(try topic.messages())
    let keeping = try producer("keep", ["--once"])
    #expect(keeping.exitCode() == 0 && keeping.sent == 0, "\(keeping.output)")
    for expected in [2, 0] {
      let producer = try producer("delete", ["--once"])
      #expect(producer.exitCode() == 0 && producer.sent == expected, "\(producer.output)")
    }
    #expect(try folder.files("images").count == 2)
    try output.report(try topic.messages(), .unchanged)
    #expect(try producer("delete", ["--once"]).exitCode() == 0)
    #expect(try isLeft())
  }
}
