import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import Wire

/// `image-pipeline receipts --resend`.
@Suite(.ownThread) struct ReceiptResendTests {
  private let folder = TestFolder()

  private func resend(_ broker: Broker, code: Int32 = 0) throws -> String {
    let program = try Program(["receipts", "--resend"], in: folder, environment: broker.environment())
    #expect(program.exitCode() == code, "\(program.output)")
    return program.output
  }

  @Test("receipts --resend confirms all that is stored, next to a consumer") func resendConfirmsAll() throws {
    let broker = try Broker.preferred(partitions: 2)
    var images = sampleImages(20)
    images["same.jpg"] = [1]
    try broker.send(images.map { .image($0.key, $0.value) })
    let both = ["RECEIPTS": "off", "SAME_NAME": "keep-both"]
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment(both))
    #expect(eventually { folder.rows.count == images.count }, "\(consumer.output)")
    try broker.send([.image("same.jpg", [2]), .text("poison")])
    #expect(eventually { try folder.rows.count == images.count + 1 && broker.hasDeadLetters }, "\(consumer.output)")
    let ends = try broker.ranges(broker.topic).mapValues(\.upperBound)
    #expect(eventually { try resend(broker).numbers(in: "sent").contains(images.count + 1) }, "\(consumer.output)")
    let receipts = try broker.receipts()
    #expect(try broker.confirmed() == images.mapValues { _ in [.stored] })
    #expect(receipts.flatMap(\.images).filter { $0.name == "same.jpg" }.count == 2)
    for (partition, end) in ends where end > 0 {
      let own = receipts.filter { $0.partition == partition }
      #expect(own.last?.offsets == 0..<end && own.last?.images == [])
      #expect(own.dropLast().allSatisfy { $0.offsets == end..<end })
      #expect(own.flatMap(\.images).allSatisfy { $0.offset == end - 1 })
    }
    #expect(consumer.terminate() == 0, "\(consumer.output)")
  }

  @Test("receipts --resend does not confirm images whose files are missing or have another size, and names them")
  func missingFilesAreNotConfirmed() throws {
    let broker = try Broker.preferred()
    try broker.send(["a", "b", "c", "d/e"].map { .image("\($0).jpg", [1, 2, 3]) })
    _ = try Program.storeAll(in: folder, broker, ["RECEIPTS": "off"])
    try folder.remove(TestFolder.output + "/a.jpg")
    try folder.write(TestFolder.output + "/d/e.jpg", [1])
    let said = try resend(broker, code: 1)
    #expect(("\n" + said).contains("\na.jpg: ") && said.contains("\nd/e.jpg: ") && said.contains("repair"), "\(said)")
    #expect(try broker.confirmed() == ["b.jpg": [.stored], "c.jpg": [.stored]])
    #expect(try broker.receipts().last?.offsets == 0..<4, "the producer sends the others again")
  }

  @Test("receipts --resend tells you what is wrong") func resendNamesFaults() throws {
    let broker = try Broker.preferred()
    #expect(try resend(broker, code: 1).contains("PROCESSED_IMAGES_DIR"))
    _ = try Program.storeAll(in: folder, broker)
    #expect(try resend(broker, code: 1).contains("TOPIC"))
    guard broker.cluster != nil else { return }
    try broker.send([.image("a.jpg", [1])])
    _ = try Program.storeAll(in: folder, broker, ["RECEIPTS": "off"])
    // TOPIC_AUTHORIZATION_FAILED
    broker.failNextRequests(api: 0, errors: [29, 29, 29])
    #expect(try resend(broker, code: 1).contains("TOPIC_AUTHORIZATION_FAILED"))
    broker.clearFailures(api: 0)
    #expect(try resend(broker).numbers(in: "sent") == [2, 1, 1])
  }
}
