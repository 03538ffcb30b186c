import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// What a client reports about its connections, for those who wait for an answer.
@Suite(.ownThread) struct ClientTroubleTests {
  private func nowhere(_ more: [String: String] = [:]) -> KafkaSettings {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", "127.0.0.1:1")
    for (property, value) in more { settings.set(property, value) }
    return settings
  }

  private func expectRefused(_ client: KafkaClient, since start: MonotonicClock.Instant) throws {
    #expect(throws: KafkaError.self) { try client.clusterID(timeout: .seconds(1)) }
    let trouble = try #require(client.lastTrouble())
    #expect(trouble.name == "_TRANSPORT")
    #expect(
      trouble.reason
        == "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (in state CONNECT)")
    #expect(start <= trouble.time && trouble.time <= .now)
  }

  @Test("a producer that finds no broker gives the reason") func producerGivesReason() throws {
    let start = MonotonicClock.now
    let producer = try KafkaProducer(nowhere()) { _ in }
    defer { producer.close() }
    try expectRefused(producer, since: start)
  }

  @Test("a consumer that has not polled yet gives the reason") func consumerGivesReason() throws {
    let start = MonotonicClock.now
    let consumer = try KafkaConsumer(nowhere(["group.id": "g"]), topic: "images")
    defer { consumer.unsubscribeAndClose() }
    try expectRefused(consumer, since: start)
  }

  @Test("a healthy client has no trouble") func healthyClientHasNoTrouble() throws {
    let cluster = try EmbeddedCluster()
    let producer = try KafkaProducer(settings(cluster)) { _ in }
    defer { producer.close() }
    _ = try producer.clusterID(timeout: patience)
    #expect(producer.lastTrouble() == nil)
  }

  @Test("the loss of all connections keeps the earlier reason") func lossOfAllKeepsReason() {
    let allDown = ClientTrouble(.init(rawValue: -187), "1/1 brokers are down")
    #expect(allDown.following(nil) == allDown)
    let lately = ClientTrouble(name: "_SSL", reason: "a:1/bootstrap: failed", time: allDown.time - .seconds(59))
    #expect(allDown.following(lately) == lately)
    let longAgo = ClientTrouble(name: "_SSL", reason: "a:1/bootstrap: failed", time: allDown.time - .seconds(60))
    #expect(allDown.following(longAgo) == allDown)
    let newer = ClientTrouble(.init(rawValue: -193), "b:1/bootstrap: Failed to resolve (after 3ms in state CONNECT)")
    #expect(newer.following(lately) == newer && newer.following(allDown) == newer)
    #expect(newer.reason == "b:1/bootstrap: Failed to resolve (in state CONNECT)")
  }

  @Test("asking a consumer for its trouble takes no message") func askingTakesNoMessage() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    try fill(cluster, "images", ["a", "b", "c"])
    let consumer = try joined(groupSettings(cluster, group: "g"), "images")
    defer { consumer.unsubscribeAndClose() }
    var seen = Seen()
    _ = eventually {
      _ = consumer.lastTrouble()
      seen.take(consumer.poll(maximum: 1, timeout: .milliseconds(20)))
      return seen.texts.count == 3 && seen.ends[0] == 3
    }
    #expect(seen.texts == ["a", "b", "c"])
  }
}
