import Glibc
import TestSupport
import Testing

@testable import Platform
@testable import SQLite

/// The record of sent files, and what makes the producer forget it.
@Suite(.ownThread) struct ProducerLedgerTests {
  let folder = TestFolder()
  let broker: Broker
  let topic: TopicContent

  init() throws {
    broker = try Broker(partitions: 2)
    topic = try TopicContent(broker)
    for number in 0..<5 { try folder.write("images/\(number).jpg", [UInt8(number)]) }
  }

  private func once(_ options: [String] = [], _ environment: [String: String] = [:]) throws -> Program {
    let program = try Program(
      ["producer", "--once"] + options, in: folder, environment: broker.environment(environment))
    #expect(program.exitCode() == 0, "\(program.output)")
    return program
  }

  @Test("--resend sends everything once more") func resendSendsEverything() throws {
    #expect(try once().sent == 5)
    #expect(try once(["--resend"]).sent == 5)
    #expect(try once().sent == 0)
    #expect(try topic.names() == (0..<5).flatMap { ["\($0).jpg", "\($0).jpg"] })
  }

  @Test("another topic, input or cluster has a separate record") func scopesAreSeparate() throws {
    try folder.write("more/0.jpg", [7])
    #expect(try once().sent == 5)
    #expect(try once([], ["TOPIC": "others"]).sent == 5)
    #expect(try once([], ["IMAGES_DIR": "more"]).sent == 1)
    let other = try Broker()
    #expect(try once([], ["KAFKA_BOOTSTRAP_SERVERS": other.servers]).sent == 5)
    // None of these runs erased another's record. Another spelling of the same folder makes no difference.
    #expect(try once([], ["IMAGES_DIR": "more/../images/"]).sent == 0)
    #expect(try once([], ["KAFKA_BOOTSTRAP_SERVERS": other.servers]).sent == 0)
    // Forgetting one scope keeps the others.
    #expect(try once(["--resend"], ["TOPIC": "others"]).sent == 5)
    #expect(try once().sent == 0)
  }

  @Test("a re-created topic is reported with its fix") func recreatedTopicIsReported() throws {
    #expect(try !once().hasEvent("topic_recreated"))
    #expect(try !once().hasEvent("topic_recreated"), "the topic is as it was")
    // The embedded broker cannot delete a topic. Instead, the ledger records more acknowledgements than there are
    // messages.
    let ledger = try Database(path: folder.path + "/.image-pipeline/ledger.sqlite", busyTimeout: .seconds(1))
    try ledger.execute("UPDATE offsets SET last = last + 1000")
    let said = try once()
    #expect(said.hasEvent("topic_recreated", naming: "image-pipeline producer --resend"), "\(said.output)")
    #expect(try once(["--resend"]).sent == 5)
    #expect(try !once().hasEvent("topic_recreated"), "the cure cures")
  }

  @Test("verify --resend sends missing and altered images only") func verifyResendsOnlyDifferences() throws {
    _ = try once()
    let consume = {
      let consumer = try Program(
        ["consumer", "--until-idle", "0.2"], in: folder, environment: broker.environment())
      #expect(consumer.exitCode() == 0, "\(consumer.output)")
    }
    try consume()
    #expect(unlink(folder.path + "/processed_images/3.jpg") == 0)
    try folder.write("processed_images/1.jpg", [99])
    let resend = try Program(["verify", "--resend"], in: folder, environment: broker.environment())
    #expect(resend.exitCode() == 1, "\(resend.output)")
    #expect(resend.sent == 2, "\(resend.output)")
    #expect(try topic.names() == ["0.jpg", "1.jpg", "1.jpg", "2.jpg", "3.jpg", "3.jpg", "4.jpg"])
    try consume()
    let verify = try Program(["verify"], in: folder)
    #expect(verify.exitCode() == 0, "\(verify.output)")
    #expect(try once().sent == 0)
  }

  @Test("a second producer of the same folder and ledger is refused") func secondProducerIsRefused() throws {
    let first = try Program(["producer"], in: folder, environment: broker.environment())
    #expect(eventually { first.hasEvent("producer_started", ["after_sent": "keep"]) }, "\(first.output)")
    let second = try Program(["producer"], in: folder, environment: broker.environment())
    #expect(
      eventually { second.hasEvent("program_failed", ["error": "ProducerLock.InUse"], naming: "STATE_DIR") },
      "\(second.output)"
    )
    #expect(second.exitCode() == 1, "\(second.output)")
    let other = try Program(
      ["producer", "--once"], in: folder, environment: broker.environment(["STATE_DIR": "other"]))
    #expect(other.exitCode() == 0, "\(other.output)")
    first.signal(SIGTERM)
    #expect(first.exitCode() == 0, "\(first.output)")
  }

  @Test("a ledger of another version is left alone") func otherLedgerVersionIsLeftAlone() throws {
    _ = try once()
    let path = folder.path + "/.image-pipeline/ledger.sqlite"
    try Database(path: path, busyTimeout: .seconds(1)).execute("PRAGMA user_version = 77")
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 1, "\(producer.output)")
    let error = ["error": "LedgerError.foreignVersion"]
    #expect(producer.hasEvent("program_failed", error, naming: "77", "STATE_DIR"), "\(producer.output)")
    #expect(try topic.names().count == 5)
  }
}
