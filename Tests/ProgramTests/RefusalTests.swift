import Glibc
import TestSupport
import Testing

@testable import Platform

/// A refusal by the broker may end a minute later: a forgotten right, a low limit.
@Suite(.ownThread) struct RefusalTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let topic: TopicContent
  /// TOPIC_AUTHORIZATION_FAILED and RECORD_LIST_TOO_LARGE.
  private static let refusals: [Int32] = [29, 18]

  init() throws {
    broker = try Broker()
    topic = try TopicContent(broker)
    try folder.makeFolder("images")
  }

  private func refuseNext(_ code: Int32) { broker.failNextRequests(api: 0, errors: [code]) }

  /// Missing rights concern every image.
  private func refusalCount(of producer: Program) -> Int {
    producer.log.count { ["image_refused", "sending_blocked"].contains($0.event) }
  }

  @Test("a refused image is sent once the broker accepts it", arguments: refusals)
  func refusedImageIsSentOnceAllowed(code: Int32) throws {
    let environment = broker.environment(["LOG_LEVEL": "debug"])
    let producer = try Program(["producer"], in: folder, environment: environment)
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    #expect(eventually { producer.hasEvent("image_sent", ["image": "ready.jpg"]) }, "\(producer.output)")
    refuseNext(code)
    try folder.write("images/a.jpg", [1])
    #expect(eventually { refusalCount(of: producer) == 1 }, "\(producer.output)")
    #expect(eventually { try topic.versions(of: "a.jpg") == [[1]] }, "\(producer.output)")
    #expect(eventually { producer.hasEvent("image_sent", ["image": "a.jpg"]) }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(refusalCount(of: producer) == 1, "\(producer.output)")
    #expect(producer.hasEvent("producer_finished", ["refused": "0"]), "in the end it was sent")
  }

  /// NOT_LEADER_OR_FOLLOWER for the first of several requests in flight; the next one succeeds. The client library then
  /// infers that the first arrived, too.
  @Test("an image whose arrival is only inferred is sent again") func inferredArrivalIsSentAgain() throws {
    let names = (0..<20).map { "\($0).jpg" }
    for name in names { try folder.write("images/" + name, Array(name.utf8)) }
    refuseNext(6)
    // COORDINATOR_NOT_AVAILABLE for INIT_PRODUCER_ID, retried every 500 ms, six times. By then all images wait and go
    // together.
    broker.failNextRequests(api: 22, errors: [15, 15, 15, 15, 15, 15])
    let environment = broker.environment(["KAFKA_BATCH_NUM_MESSAGES": "1"])
    let producer = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(producer.exitCode() == 0, "\(producer.output)")
    for name in names { #expect(try topic.versions(of: name) == [Array(name.utf8)], "\(producer.output)") }
    #expect(
      producer.hasEvent("image_unacknowledged", ["error": "_INCONSISTENT"]),
      "otherwise this shows nothing: \(producer.output)")
  }

  @Test("a missing right is named") func missingRightIsNamed() throws {
    let environment = broker.environment(["KAFKA_SASL_USERNAME": "camera"])
    let producer = try Program(["producer"], in: folder, environment: environment)
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    refuseNext(29)
    try folder.write("images/a.jpg", [1])
    let fix = "kafka-acls --add --allow-principal User:camera --operation Write --topic images"
    #expect(eventually { producer.hasEvent("sending_blocked", naming: fix) }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  /// MSG_SIZE_TOO_LARGE.
  @Test("a message that is too large for its topic is reported with limit, variable and command")
  func tooLargeMessageIsExplained() throws {
    try folder.write("images/a.jpg", [1])
    refuseNext(10)
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 1, "\(producer.output)")
    let error = ["error": "MSG_SIZE_TOO_LARGE"]
    let parts = ["SEGMENT_BYTES", "kafka-configs", "--entity-name images", "max.message.bytes="]
    #expect(producer.log.events("image_refused", error, naming: parts).count == 1, "\(producer.output)")
  }

  @Test("--once exits after a refusal and reports it", arguments: refusals)
  func onceExitsAfterRefusal(code: Int32) throws {
    try folder.write("images/a.jpg", [1])
    refuseNext(code)
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(producer.hasEvent("producer_finished", ["refused": "1"]), "\(producer.output)")
    let next = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(next.exitCode() == 0 && next.sent == 1, "\(next.output)")
  }

  // MARK: Until a person changes something

  /// INVALID_TIMESTAMP: the producer's or the broker's clock is wrong.
  private static let clock: Int32 = 32

  private func watched(_ environment: [String: String] = [:]) throws -> (Program, StatusPage) {
    let page = StatusPage(port: try StatusPage.freePort())
    let own = ["HTTP_PORT": "\(page.port)", "HTTP_ADDRESS": "127.0.0.1"]
    return (
      try Program(["producer"], in: folder, environment: broker.environment(own.merging(environment) { $1 })), page
    )
  }

  @Test("a refusal of everything is logged once and makes the producer unready until it ends")
  func totalRefusalIsVisible() throws {
    let names = (0..<20).map { "\($0).jpg" }
    for name in names { try folder.write("images/" + name, Array(name.utf8)) }
    broker.failNextRequests(api: 0, errors: Array(repeating: Self.clock, count: 1_000))
    let (producer, page) = try watched(["KAFKA_BATCH_NUM_MESSAGES": "1"])
    let isSaid = eventually {
      page.ready?.status == 503 && page.ready?.body.contains("sending: ") == true
        && page.ready?.body.contains("INVALID_TIMESTAMP") == true
    }
    #expect(isSaid, "\(producer.output)")
    #expect(throughout(.seconds(3)) { page.value("image_pipeline_left_images") ?? 0 > 0 }, "\(producer.output)")
    #expect(page.live?.status == 200)
    #expect(producer.log.count { $0.fields["error"] == "INVALID_TIMESTAMP" } == 1, "\(producer.output)")
    broker.clearFailures(api: 0)
    #expect(eventually(within: .seconds(90)) { try topic.names() == names.sorted() }, "\(producer.output)")
    #expect(eventually { page.ready?.status == 200 }, "\(page.ready?.body ?? "") \(producer.output)")
    #expect(eventually { page.value("image_pipeline_left_images") == 0 }, "\(producer.output)")
    #expect(producer.hasEvent("sending_resumed"), "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(producer.hasEvent("producer_finished", ["refused": "0"]), "\(producer.output)")
  }

  @Test("--once exits with code 1 at the first refusal of everything")
  func onceExitsAtTotalRefusal() throws {
    for number in 0..<300 { try folder.write("images/\(number).jpg", [UInt8(number % 256)]) }
    broker.failNextRequests(api: 0, errors: Array(repeating: Self.clock, count: 10_000))
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode(within: .seconds(30)) == 1, "\(producer.output)")
    #expect(producer.log.count { $0.fields["error"] == "INVALID_TIMESTAMP" } == 1, "\(producer.output)")
    broker.clearFailures(api: 0)
    let next = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(next.exitCode() == 0 && next.sent == 300, "\(next.output)")
  }

  @Test("a refused image keeps the producer unready until it is sent or removed", arguments: [true, false])
  func refusedImageMakesUnready(isRemoved: Bool) throws {
    let (producer, page) = try watched()
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    broker.failNextRequests(api: 0, errors: Array(repeating: 10, count: 1_000))
    try folder.write("images/a.jpg", [1])
    #expect(eventually { page.ready?.body.contains("refusals: ") == true }, "\(producer.output)")
    #expect(page.value("image_pipeline_left_images") ?? 0 >= 1, "\(producer.output)")
    broker.clearFailures(api: 0)
    if isRemoved { try folder.remove("images/a.jpg") }
    #expect(eventually(within: .seconds(60)) { page.ready?.status == 200 }, "\(producer.output)")
    #expect(eventually { page.value("image_pipeline_left_images") == 0 }, "\(producer.output)")
    #expect(try topic.names().contains("a.jpg") != isRemoved)
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test("a client that fails repeatedly is not ready in between")
  func failingClientIsNotReady() throws {
    try folder.write("images/a.jpg", [1])
    broker.failNextRequests(api: 22, errors: Array(repeating: 31, count: 1_000))
    let (producer, page) = try watched()
    #expect(eventually { page.ready?.body.contains("sending: ") == true }, "\(producer.output)")
    #expect(throughout(.seconds(6)) { page.ready?.status == 503 }, "\(producer.output)")
    broker.clearFailures(api: 22)
    #expect(eventually(within: .seconds(90)) { page.ready?.status == 200 }, "\(producer.output)")
    #expect(eventually { try topic.names() == ["a.jpg"] }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  /// CLUSTER_AUTHORIZATION_FAILED for INIT_PRODUCER_ID, after which librdkafka's client is unusable.
  private func refuseProducer() { broker.failNextRequests(api: 22, errors: [31]) }

  @Test("a failed client is replaced by a new one") func failedClientIsReplaced() throws {
    try folder.write("images/a.jpg", [1])
    refuseProducer()
    let producer = try Program(["producer"], in: folder, environment: broker.environment())
    #expect(
      eventually { producer.hasEvent("client_replaced", naming: "IdempotentWrite") }, "\(producer.output)")
    #expect(eventually { try topic.versions(of: "a.jpg") == [[1]] }, "\(producer.output)")
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(producer.sent == 2, "\(producer.output)")
    #expect(producer.hasEvent("producer_finished", ["refused": "0"]), "\(producer.output)")
  }

  @Test("--once exits if its client fails") func onceExitsWithFailedClient() throws {
    // Incompressible, so that it goes through the client that fails.
    var numbers = SeededNumbers(seed: 1)
    try folder.write("images/a.jpg", numbers.bytes(5_000))
    refuseProducer()
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(producer.hasEvent("program_failed", naming: "IdempotentWrite"), "\(producer.output)")
    #expect(try topic.names() == [])
  }
}
