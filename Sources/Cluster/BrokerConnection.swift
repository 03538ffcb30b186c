package import Configuration
package import Kafka
package import Platform
package import Telemetry

/// The first contact with a broker: waits until one answers, logs the wait, and makes sure that the topic exists.
package struct BrokerConnection {
  package let client: KafkaClient
  package let servers: String
  package let log: Log
  /// Records whether a broker answers, and whether the topic exists.
  var health = Health()
  /// The time without an answer after which a wait fails; nil: it waits forever.
  package var patience: Duration?

  package init(client: KafkaClient, servers: String, log: Log, health: Health = Health(), patience: Duration? = nil) {
    self.client = client
    self.servers = servers
    self.log = log
    self.health = health
    self.patience = patience
  }

  private static let settingsTimeout = Duration.seconds(2)
  private static let startingTime = Duration.seconds(10)

  /// The cluster's id; nil if `stop` was set first.
  package func clusterID(stop: StopFlag) throws -> String? {
    try untilAnswered(stop) { try client.clusterID(timeout: .seconds(2)) }
  }

  /// Creates the topic if it does not exist.
  /// - Returns: false if `stop` was set first.
  /// - Throws: `TopicRefusal` if the cluster does not create the topic as configured; `KafkaError`, `NoBroker`.
  package func ensureTopic(_ topic: String, as wanted: NewTopic, stop: StopFlag) throws -> Bool {
    let start = MonotonicClock.now
    return try untilAnswered(stop) {
      try createIfMissing(
        topic, as: wanted, timeout: .seconds(15),
        // While a cluster starts, some of its brokers are not available yet.
        waitsForBrokers: MonotonicClock.now - start < Self.startingTime)
      return true
    } ?? false
  }

  /// Tries once to create the topic if it does not exist. Another client may create it at the same time.
  /// - Parameter waitsForBrokers: whether too few brokers for the replicas are a temporary error.
  /// - Throws: `TopicRefusal` if the cluster does not create the topic as configured; `KafkaError`.
  func createIfMissing(
    _ topic: String, as wanted: NewTopic, timeout: Duration, waitsForBrokers: Bool = false
  ) throws {
    var (isNew, isThere) = (false, false)
    do throws(KafkaError) {
      defer { if isThere { health.well(.topic) } }
      guard try client.partitionCount(of: topic, timeout: min(.seconds(5), timeout)) == nil else {
        isThere = true
        return
      }
      isNew = try client.createTopic(
        topic, partitions: wanted.partitions, replicationFactor: wanted.replicationFactor, settings: wanted.settings,
        timeout: timeout)
      isThere = true
    } catch {
      guard error.isInvalidRequest, !(waitsForBrokers && error.isTooFewBrokers) else { throw error }
      throw TopicRefusal(topic: topic, wanted: wanted, name: error.name, reason: error.reason)
    }
    if isNew { log.info(event: "topic_created", "topic created", ["topic": .string(topic)]) }
  }

  /// Logs if the topic keeps only the last message of each key, if it differs from what would be created, and if it
  /// refuses messages that will be sent. If this user may not see the topic's settings, or the broker has none, it
  /// logs nothing and does not wait.
  package func review(_ topic: String, _ wanted: NewTopic, sending: SizeLimits.Sending? = nil) {
    let patience = Self.settingsTimeout
    guard (try? client.hasController(topic, timeout: patience)) == true,
      let settings = try? client.topicSettings(topic, timeout: patience),
      let count = (try? client.partitionCount(of: topic, timeout: patience)) ?? nil
    else { return }
    let differences = wanted.differences(partitions: count, settings: settings)
    if !differences.isEmpty {
      log.info(
        event: "topic_differs",
        "the topic exists with other settings and stays as it is: \(differences.joined(separator: ", "))",
        ["topic": .string(topic)])
    }
    if let sending, let limit = settings["max.message.bytes"].flatMap({ Int($0) }),
      let problem = Self.sizeProblem(topic, limit: limit, sending)
    {
      log.warning(event: "topic_size_limited", problem, ["topic": .string(topic), "max.message.bytes": .of(limit)])
    }
    guard let policy = settings["cleanup.policy"], policy.contains("compact") else { return }
    log.warning(
      event: "topic_compacted",
      "the topic is compacted: an image in segments has several messages with the same key, and the broker removes all but "
        + "the last. Set it to cleanup.policy=delete (kafka-configs --alter --entity-type topics --entity-name \(topic) "
        + "--add-config cleanup.policy=delete)", ["topic": .string(topic), "cleanup.policy": .string(policy)])
  }

  /// Why a topic will refuse the largest messages, and how to fix that; nil if it accepts them.
  /// - Parameter limit: the topic's `max.message.bytes`.
  static func sizeProblem(_ topic: String, limit: Int, _ sending: SizeLimits.Sending) -> String? {
    let largest = sending.largestMessage
    if limit >= largest { return nil }
    let fitting = sending.segmentBytes(fitting: limit)
    return
      "the topic accepts messages of at most \(limit) bytes, and SEGMENT_BYTES=\(sending.segmentBytes) produces messages of up "
      + "to \(largest): the broker will refuse those. "
      + (fitting >= 1_000 ? "Set SEGMENT_BYTES=\(fitting), or raise the limit (" : "Raise the limit (")
      + KafkaErrorFix.setting("max.message.bytes=\(largest)", on: topic) + ")"
  }

  /// The partition count of a topic; nil if the topic does not exist, or if `stop` was set first.
  package func partitionCount(of topic: String, stop: StopFlag) throws -> Int? {
    try untilAnswered(stop) { try client.partitionCount(of: topic, timeout: .seconds(5)) } ?? nil
  }

  /// Repeats a request until it is answered; nil if `stop` was set first.
  /// - Throws: `NoBroker` after `patience`; at once, errors that are fatal or about rights.
  package func untilAnswered<T>(_ stop: StopFlag, _ ask: () throws -> T) throws -> T? {
    let start = MonotonicClock.now
    var nextWord = start + .seconds(1)
    while !stop.isSet {
      health.beat()
      do {
        let answer = try ask()
        health.well(.broker)
        return answer
      } catch let error as KafkaError {
        if error.isFatal || error.isAuthorization { throw error }
        let trouble = BrokerTrouble(behind: error, of: client)
        let reason = trouble?.description ?? KafkaErrorFix.described(error)
        health.trouble(.broker, reason)
        let now = MonotonicClock.now
        if let patience, now - start >= patience {
          throw NoBroker(
            servers: servers, seconds: Int(patience.components.seconds), reason: reason, cure: trouble?.cure)
        }
        if now >= nextWord {
          nextWord = now + .seconds(10)
          log.warning(
            event: "broker_unreachable", "waiting for Kafka at \(servers): \(reason)",
            ["error": .string(trouble?.name ?? error.name)])
        }
        _ = stop.wait(for: .milliseconds(500))
      }
    }
    return nil
  }
}

struct NoBroker: Error, CustomStringConvertible {
  let servers: String
  let seconds: Int
  /// Includes the fix, if it is known.
  let reason: String
  let cure: String?
  var description: String {
    "no answer from Kafka at \(servers) for \(seconds) s: \(reason)"
      + (cure == nil ? ": start it, or set KAFKA_BOOTSTRAP_SERVERS" : "")
  }
}
