import Glibc

@testable import Kafka

/// A broker for one test: librdkafka's embedded one, or a real one's topic where KAFKA_TEST_BOOTSTRAP_SERVERS names it.
final class Broker: Sendable {
  let servers: String
  let topic: String
  /// nil where it is a real one.
  let cluster: EmbeddedCluster?
  /// librdkafka's, of a broker that asks who somebody is.
  private let properties: [String: String]

  static let realServers = getenv("KAFKA_TEST_BOOTSTRAP_SERVERS").map { String(cString: $0) }

  /// The embedded broker: 5 MiB a partition, then it forgets the oldest. What a test sends must stay below that, or be
  /// stored while it is sent.
  init(partitions: Int = 1) throws {
    let cluster = try EmbeddedCluster()
    properties = [:]
    topic = "images"
    try cluster.createTopic(topic, partitions: partitions)
    self.cluster = cluster
    servers = cluster.bootstrapServers
  }

  /// A new topic on the real broker.
  /// - Parameter topicSettings: as Kafka names them; what is not named is the broker's to say.
  init(real servers: String, partitions: Int = 1, topicSettings: [String: String] = [:]) throws {
    cluster = nil
    properties = [:]
    self.servers = servers
    topic = Self.newTopic()
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", servers)
    let client = try KafkaProducer(settings) { _ in }
    _ = try client.createTopic(
      topic, partitions: Int32(partitions), settings: topicSettings, timeout: .seconds(30))
    client.close()
  }

  /// Its topic and the letters' one, on a real broker.
  func removeTopics() throws {
    let client = try KafkaProducer(settings()) { _ in }
    defer { client.close() }
    for topic in [topic, topic + "-dlq"] { _ = try client.deleteTopic(topic, timeout: .seconds(30)) }
  }

  /// A topic of a broker that another process runs.
  init(servers: String, topic: String, properties: [String: String] = [:]) {
    cluster = nil
    self.servers = servers
    self.topic = topic
    self.properties = properties
  }

  /// A name that no other test has.
  static func newTopic() -> String { "test-" + String(UInt64.random(in: 1 << 60...UInt64.max), radix: 36) }

  /// Lets the embedded broker answer the next requests of a kind (2: where a partition begins and ends) with errors.
  func failNextRequests(api: Int16, errors: [Int32]) { cluster?.failNextRequests(api: api, errors: errors) }

  func clearFailures(api: Int16) { cluster?.clearFailures(api: api) }

  /// The consumers' group: on a broker that others use too, one of the test's own.
  var group: String { "group-of-" + topic }
  /// Below 6 s a real broker refuses a member; the embedded one lets a static member that comes back wait for so long.
  private var sessionTimeout: String { cluster == nil ? "6000" : "4000" }

  /// Environment variables of a program that is to use it.
  func environment(_ more: [String: String] = [:]) -> [String: String] {
    let own = properties.map { ("KAFKA_" + $0.key.uppercased().replacing(".", with: "_"), $0.value) }
    return [
      "KAFKA_BOOTSTRAP_SERVERS": servers, "TOPIC": topic, "CONSUMER_GROUP": group,
      // The embedded broker holds a fetch back for the whole of this time, even when messages come.
      "KAFKA_FETCH_WAIT_MAX_MS": "20", "SETTLE_MS": "100", "RESCAN_MS": "500",
      "KAFKA_SESSION_TIMEOUT_MS": sessionTimeout, "KAFKA_HEARTBEAT_INTERVAL_MS": "500",
    ].merging(own) { $1 }.merging(more) { $1 }
  }

  /// Cuts all connections and refuses new ones, until brought back. For the embedded broker alone.
  func setDown(_ isDown: Bool) { cluster?.setDown(isDown) }

  func settings() -> KafkaSettings {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", servers)
    settings.set("fetch.wait.max.ms", "20")
    settings.set("session.timeout.ms", sessionTimeout)
    settings.set("heartbeat.interval.ms", "500")
    for (property, value) in properties { settings.set(property, value) }
    return settings
  }
}
