import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// A re-created topic holds nothing that the producer's ledger has recorded as sent. Needs a real broker: the embedded
/// one deletes nothing.
@Suite(.ownThread, .enabled("no Apache Kafka is named") { Broker.realServers != nil }) struct ProducerTopicTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let client: KafkaProducer
  private static let event = "topic_recreated"

  init() throws {
    broker = try Broker.preferred()
    var settings = broker.settings()
    // Asking for the topic would create it.
    settings.set("allow.auto.create.topics", "false")
    client = try KafkaProducer(settings) { _ in }
    for number in 0..<5 { try folder.write("images/\(number).jpg", SeededNumbers.bytes(300, seed: UInt64(number))) }
  }

  private func once(_ options: [String] = []) throws -> String {
    let producer = try Program(["producer", "--once"] + options, in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 0, "\(producer.output)")
    return producer.output
  }

  private func recreateTopic(with messages: Int, partitions: Int32 = 1) throws {
    #expect(try client.deleteTopic(broker.topic, timeout: .seconds(30)))
    #expect(try client.createTopic(broker.topic, partitions: partitions, timeout: .seconds(30)))
    try broker.send((0..<messages).map { .image("foreign/\($0).jpg", [UInt8($0)]) })
  }

  private func expectCured(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let all = try folder.files("images").count
    let resent = try once(["--resend"])
    #expect(resent.log.sent == all, "\(resent)", sourceLocation: sourceLocation)
    #expect(!resent.log.hasEvent(Self.event), "\(resent)", sourceLocation: sourceLocation)
    #expect(try !once().log.hasEvent(Self.event), "the cure cures", sourceLocation: sourceLocation)
  }

  @Test("a re-created topic is reported at each start until everything is sent again", arguments: [0, 3, 5, 9])
  func recreationIsReportedUntilResent(foreign: Int) throws {
    #expect(try !once().log.hasEvent(Self.event))
    #expect(try !once().log.hasEvent(Self.event), "the topic is as it was")
    try recreateTopic(with: foreign)
    let said = try once()
    #expect(said.log.hasEvent(Self.event, naming: "image-pipeline producer --resend"), "\(said)")
    for number in 5..<7 {
      // Later acknowledgements are no sign that the topic holds earlier messages.
      try folder.write("images/\(number).jpg", SeededNumbers.bytes(300, seed: UInt64(number)))
      let said = try once()
      #expect(said.log.sent == 1, "\(said)")
      #expect(said.log.events(Self.event).count == 1, "once in a run: \(said)")
    }
    try expectCured()
  }

  /// Nothing arrives, or an image arrives at once, before anybody has checked.
  @Test("a running producer notices a re-created topic", arguments: [0, 3, 5, 9], [false, true])
  func recreationIsNoticedAtRunTime(foreign: Int, isBusy: Bool) throws {
    let environment = broker.environment(["LOG_LEVEL": "debug"])
    let producer = try Program(["producer"], in: folder, environment: environment)
    let topic = try TopicContent(broker)
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    for name in ["4.jpg", "ready.jpg"] {
      #expect(eventually { producer.hasEvent("image_sent", ["image": name]) }, "\(producer.output)")
    }
    try recreateTopic(with: foreign)
    if isBusy { try folder.write("images/new.jpg", [1, 2]) }
    #expect(eventually(within: .seconds(60)) { producer.hasEvent(Self.event) }, "\(producer.output)")
    if isBusy {
      #expect(eventually { try TopicContent(broker).names().contains("new.jpg") }, "\(producer.output)")
    }
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(producer.events(Self.event).count == 1, "\(producer.output)")
    #expect(try once().log.hasEvent(Self.event))
    try expectCured()
  }

  @Test("images that wait for receipts are sent again each time the topic is re-created") func waitingImagesReturn()
    throws
  {
    for _ in 0..<3 {
      let producer = try Program(
        ["producer", "--once"], in: folder, environment: broker.environment(["AFTER_SENT": "move"]))
      #expect(producer.exitCode() == 0, "\(producer.output)")
      #expect(try TopicContent(broker).names().count == 5, "\(producer.output)")
      try recreateTopic(with: 0)
    }
  }

  @Test("--once --until-stored sends again what a re-created topic has lost") func untilStoredSendsAgain() throws {
    let environment = broker.environment(["AFTER_SENT": "move", "LOG_LEVEL": "debug"])
    let producer = try Program(["producer", "--once", "--until-stored"], in: folder, environment: environment)
    #expect(eventually { producer.events("image_sent").count == 5 }, "\(producer.output)")
    try recreateTopic(with: 0)
    let topic = try TopicContent(broker)
    let areSent = eventually(within: .seconds(60)) { try topic.messages().count == 5 }
    #expect(areSent, "\(producer.output)")
    try ReceiptWriter(broker).report(topic.messages())
    #expect(producer.exitCode() == 0, "\(producer.output)")
  }

  /// Somebody else has sent the same images in the same order.
  @Test("the same names at the same offsets are not the same messages") func sameOffsetsAreNotSameMessages() throws {
    _ = try once()
    let messages = try broker.messages(broker.topic)
    try recreateTopic(with: 0)
    try broker.send(messages)
    #expect(try broker.messages(broker.topic).map(\.key) == messages.map(\.key))
    #expect(try once().log.hasEvent(Self.event))
    try expectCured()
  }
}
