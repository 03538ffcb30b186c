import Glibc
import Testing

@testable import Platform

/// What the broker refuses may be allowed a minute later: a right that was forgotten, a limit that was too low.
@Suite(.ownThread) struct RefusalTests {
  private let folder = Scratch()
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

  @Test(arguments: refusals)
  func whatTheBrokerRefusedIsSentOnceItIsAllowed(code: Int32) throws {
    let environment = broker.environment(["LOG_LEVEL": "debug"])
    let producer = try Program(["producer"], in: folder, environment: environment)
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    #expect(eventually { producer.output.contains("sent  image=ready.jpg") }, "\(producer.output)")
    refuseNext(code)
    try folder.write("images/a.jpg", [1])
    #expect(eventually { producer.output.contains("not sent:") }, "\(producer.output)")
    #expect(eventually { try topic.versions(of: "a.jpg") == [[1]] }, "\(producer.output)")
    #expect(eventually { producer.output.contains("sent  image=a.jpg") }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(producer.output.split(separator: "\n").count { $0.contains("not sent:") } == 1, "\(producer.output)")
    #expect(!producer.output.contains("could not be sent"), "in the end it was")
  }

  /// NOT_LEADER_OR_FOLLOWER for the first of several requests under way, and the next one is taken: the client's library takes
  /// the first for arrived then.
  @Test func anImageThatIsOnlyInferredToHaveArrivedIsSentAgain() throws {
    let names = (0..<20).map { "\($0).jpg" }
    for name in names { try folder.write("images/" + name, Array(name.utf8)) }
    refuseNext(6)
    // COORDINATOR_NOT_AVAILABLE for INIT_PRODUCER_ID, to be asked again 500 ms later, six times: by then all images wait, and go
    // together.
    broker.failNextRequests(api: 22, errors: [15, 15, 15, 15, 15, 15])
    let environment = broker.environment(["KAFKA_BATCH_NUM_MESSAGES": "1"])
    let producer = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(producer.exitCode() == 0, "\(producer.output)")
    for name in names { #expect(try topic.versions(of: name) == [Array(name.utf8)], "\(producer.output)") }
    #expect(
      producer.output.contains("has acknowledged a later message"), "otherwise this shows nothing: \(producer.output)")
  }

  @Test func theMissingRightIsNamed() throws {
    let environment = broker.environment(["KAFKA_SASL_USERNAME": "camera"])
    let producer = try Program(["producer"], in: folder, environment: environment)
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    refuseNext(29)
    try folder.write("images/a.jpg", [1])
    let right =
      "the user camera has no Write right on topic images: grant it (kafka-acls --add "
      + "--allow-principal User:camera --operation Write --topic images)"
    #expect(eventually { producer.output.contains(right) }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  /// MSG_SIZE_TOO_LARGE.
  @Test("a message that is too large for its topic is named with the topic's limit, the variable and the command")
  func tooLarge() throws {
    try folder.write("images/a.jpg", [1])
    refuseNext(10)
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 1, "\(producer.output)")
    for part in ["SEGMENT_BYTES", "kafka-configs", "--entity-name images", "max.message.bytes="] {
      #expect(producer.output.contains(part), "\(producer.output)")
    }
  }

  @Test(arguments: refusals)
  func aRunThatSendsWhatIsThereEndsAndSaysSo(code: Int32) throws {
    try folder.write("images/a.jpg", [1])
    refuseNext(code)
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(producer.output.contains("1 could not be sent"), "\(producer.output)")
    let next = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(next.exitCode() == 0 && next.output.contains("sent 1 image,"), "\(next.output)")
  }

  // MARK: Until a person changes something

  /// INVALID_TIMESTAMP: the producer's clock, or the broker's, is wrong.
  private static let clock: Int32 = 32

  private func watched(_ environment: [String: String] = [:]) throws -> (Program, StatusPage) {
    let page = StatusPage(port: try StatusTests.freePort())
    let own = ["HTTP_PORT": "\(page.port)", "HTTP_ADDRESS": "127.0.0.1"]
    return (
      try Program(["producer"], in: folder, environment: broker.environment(own.merging(environment) { $1 })), page
    )
  }

  @Test("a refusal of everything is logged once, makes the producer not ready, and ends when the cause does")
  func aRefusalOfEverythingIsVisible() throws {
    let names = (0..<20).map { "\($0).jpg" }
    for name in names { try folder.write("images/" + name, Array(name.utf8)) }
    broker.failNextRequests(api: 0, errors: Array(repeating: Self.clock, count: 1_000))
    let (producer, page) = try watched(["KAFKA_BATCH_NUM_MESSAGES": "1"])
    let isSaid = eventually {
      page.ready?.status == 503 && page.ready?.body.contains("sending: ") == true
        && page.ready?.body.contains("INVALID_TIMESTAMP") == true
    }
    #expect(isSaid, "\(producer.output)")
    #expect(throughout(seconds: 3) { page.value("image_pipeline_left_images") ?? 0 > 0 }, "\(producer.output)")
    #expect(page.live?.status == 200)
    #expect(
      producer.output.split(separator: "\n").count { $0.contains("INVALID_TIMESTAMP") } == 1, "\(producer.output)")
    broker.clearFailures(api: 0)
    #expect(eventually(withinSeconds: 90) { try topic.names() == names.sorted() }, "\(producer.output)")
    #expect(eventually { page.ready?.status == 200 }, "\(page.ready?.body ?? "") \(producer.output)")
    #expect(eventually { page.value("image_pipeline_left_images") == 0 }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(producer.output.contains("refused=0"), "\(producer.output)")
  }

  @Test("a run that sends what is there ends at the first refusal of everything, with exit code 1")
  func onceEndsAtARefusalOfEverything() throws {
    for number in 0..<300 { try folder.write("images/\(number).jpg", [UInt8(number % 256)]) }
    broker.failNextRequests(api: 0, errors: Array(repeating: Self.clock, count: 10_000))
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode(withinSeconds: 30) == 1, "\(producer.output)")
    #expect(
      producer.output.split(separator: "\n").count { $0.contains("INVALID_TIMESTAMP") } == 1, "\(producer.output)")
    broker.clearFailures(api: 0)
    let next = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(next.exitCode() == 0 && next.output.contains("sent 300 images,"), "\(next.output)")
  }

  @Test(
    "an image that the broker refuses keeps the producer not ready until it is sent or removed",
    arguments: [true, false])
  func aRefusedImageIsVisible(isRemoved: Bool) throws {
    let (producer, page) = try watched()
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    broker.failNextRequests(api: 0, errors: Array(repeating: 10, count: 1_000))
    try folder.write("images/a.jpg", [1])
    #expect(eventually { page.ready?.body.contains("refusals: ") == true }, "\(producer.output)")
    #expect(page.value("image_pipeline_left_images") ?? 0 >= 1, "\(producer.output)")
    broker.clearFailures(api: 0)
    if isRemoved { try folder.remove("images/a.jpg") }
    #expect(eventually(withinSeconds: 60) { page.ready?.status == 200 }, "\(producer.output)")
    #expect(eventually { page.value("image_pipeline_left_images") == 0 }, "\(producer.output)")
    #expect(try topic.names().contains("a.jpg") != isRemoved)
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test("a client that gives up again and again is not ready in between")
  func clientsThatGiveUpAreNotReady() throws {
    try folder.write("images/a.jpg", [1])
    broker.failNextRequests(api: 22, errors: Array(repeating: 31, count: 1_000))
    let (producer, page) = try watched()
    #expect(eventually { page.ready?.body.contains("sending: ") == true }, "\(producer.output)")
    #expect(throughout(seconds: 6) { page.ready?.status == 503 }, "\(producer.output)")
    broker.clearFailures(api: 22)
    #expect(eventually(withinSeconds: 90) { page.ready?.status == 200 }, "\(producer.output)")
    #expect(eventually { try topic.names() == ["a.jpg"] }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  /// INIT_PRODUCER_ID is answered with CLUSTER_AUTHORIZATION_FAILED, upon which librdkafka's client is of no more use.
  private func refuseProducer() { broker.failNextRequests(api: 22, errors: [31]) }

  @Test func aClientThatHasGivenUpIsReplacedByANewOne() throws {
    try folder.write("images/a.jpg", [1])
    refuseProducer()
    let producer = try Program(["producer"], in: folder, environment: broker.environment())
    #expect(eventually { producer.output.contains("a new one takes over") }, "\(producer.output)")
    #expect(producer.output.contains("no IdempotentWrite right on the cluster"), "\(producer.output)")
    #expect(eventually { try topic.versions(of: "a.jpg") == [[1]] }, "\(producer.output)")
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(producer.output.contains("sent 2 images"), "\(producer.output)")
    #expect(!producer.output.contains("could not be sent"), "\(producer.output)")
  }

  @Test func aRunThatSendsWhatIsThereEndsWithItsClient() throws {
    try folder.write("images/a.jpg", [1])
    refuseProducer()
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(producer.output.contains("no IdempotentWrite right on the cluster"), "\(producer.output)")
    #expect(try topic.names() == [])
  }
}
