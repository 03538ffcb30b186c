import Glibc
import TestSupport
import Testing

@testable import Platform
@testable import SQLite

/// Kills between what receipts change in the ledger and what follows from it.
@Suite(.ownThread) struct ProducerReceiptFaultPointTests {
  static let points: [FaultPoint] = [.receiptsApplied, .lossRecorded]

  private let folder = TestFolder()
  private let broker: Broker
  private let topic: TopicContent
  private let output: ReceiptWriter

  init() throws {
    broker = try Broker.preferred()
    topic = try TopicContent(broker)
    output = try ReceiptWriter(broker)
    for number in 0..<4 { try folder.write("images/\(number).jpg", [UInt8(number)]) }
  }

  private func producer(_ arguments: [String] = [], at point: FaultPoint? = nil) throws -> Program {
    var environment = broker.environment(["AFTER_SENT": "delete", "SETTLE_MS": "50", "RESCAN_MS": "100"])
    environment["FAULT_POINT"] = point?.rawValue
    return try Program(["producer"] + arguments, in: folder, environment: environment)
  }

  @Test("a producer that is killed when receipts are applied deletes the files in its next run")
  func killedAfterReceipts() throws {
    let victim = try producer(at: .receiptsApplied)
    #expect(eventually { try topic.messages().count == 4 }, "\(victim.output)")
    try output.report(try topic.messages())
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    #expect(try folder.files("images").count == 4)
    let next = try producer(["--once"])
    #expect(next.exitCode() == 0 && next.sent == 0, "\(next.output)")
    #expect(try folder.files("images") == [])
  }

  @Test("a producer that is killed when it has found losses sends the images in its next run")
  func killedAfterLoss() throws {
    let victim = try producer(at: .lossRecorded)
    #expect(eventually { try topic.messages().count == 4 }, "\(victim.output)")
    try output.report(try topic.messages().filter { $0.offset > 1 })
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    let next = try producer(["--once"])
    #expect(next.exitCode() == 0 && next.sent == 2, "\(next.output)")
    #expect(try folder.files("images").count == 2)
    try output.report(try topic.messages())
    #expect(try producer(["--once"]).exitCode() == 0)
    #expect(try folder.files("images") == [])
    #expect(try topic.messages().count == 6)
  }
}
