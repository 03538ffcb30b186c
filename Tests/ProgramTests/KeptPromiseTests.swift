import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// Producer and consumers together: a file is deleted only when its image is stored, whatever the topic loses.
@Suite(.ownThread) struct KeptPromiseTests {
  private let folder = TestFolder()

  private func producer(_ broker: Broker, _ arguments: [String] = [], needed: Int = 1) throws -> Program {
    try Program(
      ["producer"] + arguments, in: folder,
      environment: broker.environment([
        "AFTER_SENT": "delete", "RECEIPTS_NEEDED": String(needed), "SETTLE_MS": "50", "RESCAN_MS": "200",
      ]))
  }

  private func consumer(_ broker: Broker, _ output: String = TestFolder.output, csv: String = TestFolder.csv) throws
    -> Program
  {
    try Program(
      ["consumer"], in: folder,
      environment: broker.environment([
        "PROCESSED_IMAGES_DIR": output, "CSV_PATH": csv, "CONSUMER_GROUP": "group-" + output,
      ]))
  }

  private func isInputEmpty() throws -> Bool { try folder.files("images").isEmpty }

  @Test("files are deleted when their images are stored, and not before") func storedImagesAreDeleted() throws {
    let broker = try Broker.preferred()
    let images = try folder.writeImages(20)
    let producer = try producer(broker)
    #expect(eventually { try TopicContent(broker).messages().count == 20 }, "\(producer.output)")
    #expect(throughout(.seconds(1)) { try folder.files("images").count == 20 }, "nothing is stored yet")
    let consumer = try consumer(broker)
    #expect(eventually(within: .seconds(60)) { try isInputEmpty() }, "\(producer.output)\n\(consumer.output)")
    #expect(producer.terminate() == 0 && consumer.terminate() == 0)
    try expectStored(images, in: folder)
  }

  @Test(
    "images that the topic lost before they were stored are sent again",
    .enabled("needs a real broker") {
      Broker.realServers != nil
    })
  func lostImagesAreSentAgain() throws {
    let broker = try Broker(real: try #require(Broker.realServers))
    let images = try folder.writeImages(20)
    let producer = try producer(broker)
    let topic = try TopicContent(broker)
    #expect(eventually { try topic.messages().count == 20 }, "\(producer.output)")
    let client = try KafkaProducer(broker.settings()) { _ in }
    defer { client.close() }
    try client.deleteRecords(of: broker.topic, partition: 0, before: 15, timeout: .seconds(30))
    let consumer = try consumer(broker)
    #expect(eventually(within: .seconds(90)) { try isInputEmpty() }, "\(producer.output)\n\(consumer.output)")
    #expect(producer.hasEvent("image_lost"), "\(producer.output)")
    #expect(producer.terminate() == 0 && consumer.terminate() == 0)
    try expectStored(images, in: folder)
    let offsets = try topic.messages().map(\.offset)
    #expect(offsets == Array(0..<35), "15 were sent again")
  }

  @Test("with two outputs a file is deleted when both have its image") func twoOutputsConfirm() throws {
    let broker = try Broker.preferred()
    let images = try folder.writeImages(10)
    let producer = try producer(broker, needed: 2)
    let first = try consumer(broker)
    #expect(eventually(within: .seconds(60)) { folder.rows.count == 10 }, "\(first.output)")
    #expect(throughout(.seconds(1)) { try folder.files("images").count == 10 }, "one output is not enough")
    let second = try consumer(broker, "second", csv: "second.csv")
    #expect(eventually(within: .seconds(60)) { try isInputEmpty() }, "\(producer.output)\n\(second.output)")
    for program in [producer, first, second] { #expect(program.terminate() == 0, "\(program.output)") }
    expectBytes(images, in: folder, "second")
  }

  @Test("--until-stored ends when everything is stored and deleted") func untilStoredEnds() throws {
    let broker = try Broker.preferred()
    let images = try folder.writeImages(10)
    let consumer = try consumer(broker)
    let producer = try producer(broker, ["--once", "--until-stored"])
    #expect(producer.exitCode(within: .seconds(90)) == 0, "\(producer.output)\n\(consumer.output)")
    #expect(try isInputEmpty())
    #expect(consumer.terminate() == 0)
    try expectStored(images, in: folder)
  }
}
