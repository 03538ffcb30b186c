import TestSupport
import Testing

@testable import Platform
@testable import SQLite
@testable import Wire

/// `status` shows the state of the sent images, next to a running producer.
@Suite(.ownThread) struct StatusCommandTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let topic: TopicContent

  init() throws {
    broker = try Broker.preferred()
    topic = try TopicContent(broker)
    for number in 0..<4 { try folder.write("images/cat/\(number).jpg", [UInt8(number)]) }
  }

  private func status(_ arguments: [String] = [], code: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation)
    throws -> String
  {
    let program = try Program(
      ["status"] + arguments, in: folder, environment: broker.environment(["NAME_PREFIX": "camera/"]))
    #expect(program.exitCode() == code, "\(program.output)", sourceLocation: sourceLocation)
    return program.output
  }

  /// Runs a producer until three of four images are dealt with.
  private func sendAndReport() throws -> Program {
    let producer = try Program(["producer"], in: folder, environment: broker.environment(["NAME_PREFIX": "camera/"]))
    #expect(eventually { try topic.messages().count == 4 }, "\(producer.output)")
    let messages = try topic.messages().sorted { $0.name < $1.name }
    let output = try ReceiptWriter(broker, output: "0a1b2c")
    try output.report([messages[0]])
    try output.report([messages[1]], .deadLetter(reason: "HashMismatch"))
    try output.report([messages[2]])
    #expect(eventually { try status().contains("confirmed                     2\n") }, "\(producer.output)")
    return producer
  }

  @Test("the images of a running producer are counted by their state") func imagesAreCounted() throws {
    let producer = try sendAndReport()
    let said = try status()
    #expect(said.contains("waiting for receipts          1, the oldest for "), "\(said)")
    #expect(said.contains("dead letter                   1\n"), "\(said)")
    #expect(said.contains("\ndead letter: cat/1.jpg (HashMismatch)\n"), "\(said)")
    let lines = try status(["--json"]).split(separator: "\n")
    #expect(lines.count == 2)
    for part in [#""waiting":1"#, #""confirmed":2"#, #""dead_letter":1"#, #""lost":0"#, #""sent_again":0"#] {
      #expect(lines[0].contains(part), "\(lines)")
    }
    #expect(lines[1].contains(#""image":"cat/1.jpg""#) && lines[1].contains(#""kind":"HashMismatch""#), "\(lines)")
    #expect(producer.terminate() == 0)
    #expect(try status().contains("confirmed                     2\n"), "also without a producer")
    try folder.remove("images/cat/1.jpg")
    let later = try status()
    #expect(later.contains("dead letter                   0\n") && !later.contains("cat/1.jpg"), "\(later)")
    #expect(try status(["--json"]).contains(#""dead_letter":0"#))
    #expect(try status(["cat/1.jpg"]).contains("dead letter (HashMismatch)"))
  }

  @Test("the history of an image is shown by its path or its name") func imageIsShown() throws {
    let producer = try sendAndReport()
    for name in ["cat/0.jpg", "camera/cat/0.jpg"] {
      let said = try status([name])
      #expect(said.hasPrefix("cat/0.jpg: confirmed\n"), "\(said)")
      for part in [
        "seen ", "sent ", "acknowledged ", ", partition 0, offset ", "last receipt ", "outputs       0a1b2c",
      ] {
        #expect(said.contains("  " + part) || said.contains(part), "\(part): \(said)")
      }
    }
    #expect(try status(["cat/1.jpg"]).hasPrefix("cat/1.jpg: dead letter (HashMismatch)\n"))
    let json = try status(["cat/0.jpg", "--json"])
    #expect(json.contains(#""state":"confirmed""#) && json.contains(#""outputs":"0a1b2c""#), "\(json)")
    #expect(try status(["cat/9.jpg"], code: 1).contains("the ledger has no cat/9.jpg"))
    #expect(producer.terminate() == 0)
  }

  @Test("a missing or older ledger is an error with its fix") func missingLedgerIsAnError() throws {
    #expect(try status(code: 1).log.hasEvent("program_failed", ["error": "LedgerError.missing"]))
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 0)
    let ledger = try Database(path: folder.path + "/.image-pipeline/ledger.sqlite", busyTimeout: .seconds(5))
    try ledger.setUserVersion(3)
    ledger.close()
    #expect(try status(code: 1).log.hasEvent("program_failed", ["error": "LedgerError.outdated"]))
  }
}
