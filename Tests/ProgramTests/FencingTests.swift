import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite

/// A consumer that its group has fenced off: its client is finished, the consumer continues with a new one.
@Suite(.ownThread) struct FencingTests {
  private let folder = TestFolder()

  /// Sends an image and waits until it is stored.
  private func carry(_ name: String, _ broker: Broker, _ consumer: Program) throws {
    try broker.send([.image(name, Array(name.utf8))])
    #expect(eventually { folder.rowNames.contains(name) }, "\(name): \(consumer.output)")
  }

  private func expectItWentOn(_ consumer: Program, after event: String, _ names: [String]) throws {
    #expect(consumer.hasEvent(event), "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    try expectStored(Dictionary(uniqueKeysWithValues: names.map { ($0, Array($0.utf8)) }), in: folder)
  }

  @Test("a consumer whose commit is fenced joins the group again and continues") func fencedConsumerRejoins() throws {
    let broker = try Broker()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try carry("first.jpg", broker, consumer)
    // API 8 is OffsetCommit, error 82 FENCED_INSTANCE_ID: another member has the same group.instance.id.
    broker.failNextRequests(api: 8, errors: [82])
    try carry("second.jpg", broker, consumer)
    #expect(eventually { consumer.hasEvent("consumer_fenced") }, "\(consumer.output)")
    try carry("third.jpg", broker, consumer)
    try expectItWentOn(consumer, after: "consumer_fenced", ["first.jpg", "second.jpg", "third.jpg"])
  }

  @Test("a consumer that is fenced repeatedly reports a copied output and continues")
  func repeatedFencing() throws {
    let broker = try Broker()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try carry("0.jpg", broker, consumer)
    for number in 1...2 {
      broker.failNextRequests(api: 8, errors: [82])
      try carry("\(number).jpg", broker, consumer)
      #expect(eventually { consumer.events("consumer_fenced").count == number }, "\(consumer.output)")
    }
    // First, the group is asked for the other member.
    #expect(eventually { consumer.events("output_copied").count == 1 }, "\(consumer.output)")
    try carry("last.jpg", broker, consumer)
    try expectItWentOn(consumer, after: "consumer_fenced", ["0.jpg", "1.jpg", "2.jpg", "last.jpg"])
  }

  @Test("a consumer that cannot rejoin its group tries with a new client") func expelledConsumerUsesNewClient() throws {
    let broker = try Broker()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try carry("first.jpg", broker, consumer)
    // Its session and membership end.
    broker.setDown(true)
    #expect(eventually(within: .seconds(60)) { consumer.hasEvent("group_unanswered") }, "\(consumer.output)")
    broker.setDown(false)
    try carry("second.jpg", broker, consumer)
    try expectItWentOn(consumer, after: "group_unanswered", ["first.jpg", "second.jpg"])
  }

  @Test(
    "a consumer that an intruder has displaced takes its membership back",
    .enabled(if: Broker.realServers != nil, "KAFKA_TEST_BOOTSTRAP_SERVERS names no Kafka"))
  func displacedConsumerTakesOver() throws {
    let broker = try Broker.preferred()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try carry("first.jpg", broker, consumer)
    let path = folder.path + "/\(TestFolder.output)/.image-pipeline/catalog.sqlite"
    let id = try Database(path: path, busyTimeout: .seconds(1))
      .prepare("SELECT value FROM facts WHERE name = 'catalog'").first { $0.text(0) }
    var settings = broker.settings()
    settings.set("group.id", broker.group)
    settings.set("group.instance.id", try #require(id) + "-1-1")
    let intruder = try KafkaConsumer(settings, topic: broker.topic)
    try intruder.subscribe()
    let isIn = eventually {
      _ = intruder.poll(maximum: 1, timeout: .milliseconds(10))
      return !intruder.assignment.isEmpty
    }
    #expect(isIn)
    #expect(eventually { consumer.hasEvent("consumer_fenced") }, "\(consumer.output)")
    intruder.unsubscribeAndClose()
    try carry("second.jpg", broker, consumer)
    try expectItWentOn(consumer, after: "consumer_fenced", ["first.jpg", "second.jpg"])
  }
}
