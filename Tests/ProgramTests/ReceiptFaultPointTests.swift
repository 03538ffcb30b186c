import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite
@testable import Wire

/// Kills on a receipt's way from the transaction to the topic.
@Suite(.ownThread) struct ReceiptFaultPointTests {
  static let points: [FaultPoint] = [.receiptAcknowledged, .receiptsAdopted]

  private let folder = TestFolder()

  private func kill(_ broker: Broker, at point: FaultPoint, visit: Int = 1) throws {
    let victim = try Program(
      ["consumer", "--until-idle", "2"], in: folder,
      environment: broker.environment(["BATCH_IMAGES": "4", "FAULT_POINT": "\(point.rawValue):\(visit)"]))
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
  }

  private func expectAllConfirmed(_ images: [String: [UInt8]], _ broker: Broker) throws {
    try expectStored(images, in: folder)
    // An image whose files were renamed before the kill is stored by the next attempt.
    #expect(try broker.confirmed().keys.sorted() == images.keys.sorted())
    #expect(try broker.confirmed().values.allSatisfy { $0.contains(.stored) })
    let receipts = try broker.receipts()
    for (partition, range) in try broker.ranges(broker.topic) {
      #expect(receipts.gaps(in: partition, upTo: range.upperBound) == [])
    }
  }

  private func send(_ broker: Broker) throws -> [String: [UInt8]] {
    var images = sampleImages(12)
    images["large.png"] = SeededNumbers.bytes(5_000, seed: 1)
    try broker.send(
      images.filter { $0.key != "large.png" }.map { .image($0.key, $0.value) }
        + TestMessage.segments("large.png", images["large.png"]!, size: 1_500))
    return images
  }

  @Test(
    "a killed consumer's receipts all arrive",
    arguments: [FaultPoint.positionsRecorded, .transactionCommitted, .offsetsCommitted, .receiptAcknowledged],
    [[1, 1], [2], [3]])
  func killedConsumersReceiptsArrive(point: FaultPoint, visits: [Int]) throws {
    let broker = try Broker.preferred()
    let images = try send(broker)
    for visit in visits { try kill(broker, at: point, visit: visit) }
    _ = try Program.storeAll(in: folder, broker)
    try expectAllConfirmed(images, broker)
  }

  @Test("a consumer that is killed while it takes over receipts loses none") func killedAdoptionLosesNothing() throws {
    let broker = try Broker.preferred()
    let images = try send(broker)
    try kill(broker, at: .transactionCommitted)
    // As if the consumer of another slot had written them.
    let catalog = try Database(
      path: folder / "\(TestFolder.output)/.image-pipeline/catalog.sqlite", busyTimeout: .seconds(5))
    try catalog.execute("UPDATE receipts SET slot = 7")
    catalog.close()
    try kill(broker, at: .receiptsAdopted)
    _ = try Program.storeAll(in: folder, broker)
    try expectAllConfirmed(images, broker)
  }
}
