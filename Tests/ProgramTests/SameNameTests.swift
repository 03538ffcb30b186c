import Glibc
import TestSupport
import Testing

@testable import Platform

/// Two producers with different images of one name.
@Suite(.ownThread) struct SameNameTests {
  private let folder = TestFolder()
  private let one = SeededNumbers.bytes(500, seed: 1)
  private let two = SeededNumbers.bytes(700, seed: 2)
  private let large = SeededNumbers.bytes(5_000, seed: 3)

  private func produce(_ broker: Broker, _ input: String, _ more: [String: String] = [:]) throws -> String {
    let environment = ["IMAGES_DIR": input, "STATE_DIR": "state-" + input, "SETTLE_MS": "0"].merging(more) { $1 }
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment(environment))
    #expect(producer.exitCode() == 0, "\(producer.output)")
    return producer.output
  }

  private func verify(_ input: String, _ more: [String: String] = [:]) throws -> (code: Int32?, output: String) {
    let verify = try Program(["verify", "--input", input], in: folder, environment: more)
    return (verify.exitCode(), verify.output)
  }

  @Test("an image that replaces another is counted in summary and metrics and named in the log")
  func replacementIsReported() throws {
    let broker = try Broker()
    let port = try StatusPage.freePort()
    try folder.write("left/DSC_0001.jpg", one)
    try folder.write("right/DSC_0001.jpg", two)
    _ = try produce(broker, "left")
    _ = try produce(broker, "right")
    let consumer = try Program(
      ["consumer"], in: folder, environment: broker.environment(["HTTP_PORT": "\(port)", "LOG_LEVEL": "debug"]))
    #expect(eventually { folder.rows.count == 2 }, "\(consumer.output)")
    #expect(eventually { StatusPage(port: port).value("image_pipeline_images_replaced_total") == 1 })
    #expect(consumer.terminate() == 0)
    for (event, count) in [("image_stored", 2), ("image_replaced", 1), ("image_replaced_each", 1)] {
      #expect(consumer.events(event, ["image": "DSC_0001.jpg"]).count == count, "\(event) in \(consumer.output)")
    }
    #expect(consumer.hasEvent("consumer_finished", ["replaced": "1"]), "\(consumer.output)")
    #expect(folder.bytes(TestFolder.output + "/DSC_0001.jpg") == two)
  }

  @Test("NAME_PREFIX keeps images of the same name apart, in ledger, SENT_DIR and verify too")
  func prefixesKeepImagesApart() throws {
    let broker = try Broker.preferred()
    for (input, bytes) in [("left", one), ("right", two)] {
      try folder.write(input + "/DSC_0001.jpg", bytes)
      try folder.write(input + "/cat/large.png", large)
      let settings = [
        "NAME_PREFIX": input + "/", "SEGMENT_BYTES": "1000", "AFTER_SENT": input == "left" ? "move" : "keep",
        "RECEIPTS_NEEDED": "0",
      ]
      #expect(try produce(broker, input, settings).log.sent == 2)
      #expect(try produce(broker, input, settings).log.sent == 0)
    }
    #expect(folder.bytes("left/.sent/DSC_0001.jpg") == one && folder.bytes("left/.sent/cat/large.png") == large)
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(
      [
        "left/DSC_0001.jpg": one, "right/DSC_0001.jpg": two, "left/cat/large.png": large, "right/cat/large.png": large,
      ], in: folder)
    let labels = Set(folder.rows.map { $0.split(separator: ",")[1] })
    #expect(labels == ["left", "right"])
    #expect(try verify("left/.sent", ["NAME_PREFIX": "left/"]).code == 0)
    let right = try verify("right", ["NAME_PREFIX": "right/"])
    #expect(right.code == 0, "\(right.output)")
    #expect(try verify("right").code == 1)

    // Lost images are sent again under their own names.
    try folder.remove(TestFolder.output + "/right/cat/large.png")
    let resend = try Program(
      ["verify", "--input", "right", "--resend"], in: folder,
      environment: broker.environment(["NAME_PREFIX": "right/", "STATE_DIR": "state-right", "SEGMENT_BYTES": "1000"]))
    #expect(resend.exitCode() == 1, "\(resend.output)")
    _ = try Program.storeAll(in: folder, broker)
    #expect(try verify("right", ["NAME_PREFIX": "right/"]).code == 0)
    #expect(folder.rows.count == 4)
  }

  private var messages: [TestMessage] {
    [.image("a.jpg", one), .image("b.jpg", one), .image("a.jpg", two)]
      + TestMessage.segments("a.jpg", large, size: 2_000) + [.image("a.jpg", one), .image("b.jpg", two)]
  }

  private func expectBoth(sourceLocation: SourceLocation = #_sourceLocation) throws {
    func name(_ name: String, _ bytes: [UInt8]) -> String {
      let hex = bytes.withUnsafeBytes { SHA256.hash($0) }.hex
      return "\(name)~\(hex.prefix(8)).jpg"
    }
    try expectStored(
      ["a.jpg": one, "b.jpg": one, name("a", two): two, name("a", large): large, name("b", two): two], in: folder,
      sourceLocation: sourceLocation)
  }

  @Test(
    "SAME_NAME=keep-both stores every version once, wherever the consumer is killed",
    arguments: [FaultPoint.temporariesSynced, .imageRenamed, .imageAssembled, .rowsSynced, .transactionCommitted],
    [1, 2])
  func keepBothSurvivesKills(point: FaultPoint, batch: Int) throws {
    let broker = try Broker.preferred()
    try broker.send(messages)
    let both = ["SAME_NAME": "keep-both", "BATCH_IMAGES": "\(batch * batch * batch)"]
    var kills = 0
    for visit in 1...3 {
      let environment = broker.environment(both.merging(["FAULT_POINT": "\(point.rawValue):\(visit)"]) { $1 })
      let victim = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: environment)
      if victim.exitCode() == 128 + SIGKILL { kills += 1 }
    }
    #expect(kills > 0)
    _ = try Program.storeAll(in: folder, broker, both)
    try expectBoth()
    // Repeating everything changes nothing.
    try broker.send(messages)
    let output = try Program.storeAll(in: folder, broker, both).output
    #expect(output.log.hasEvent("consumer_finished", ["images": "0", "replaced": "0"]), "\(output)")
    try expectBoth()
    let repair = try Program(["repair", "--json"], in: folder)
    #expect(repair.exitCode() == 0 && repair.output.isOfSoundOutput, "\(repair.output)")
  }
}
