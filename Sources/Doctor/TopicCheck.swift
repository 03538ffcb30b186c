import Configuration
import Consumer
import Kafka
import Platform
import Telemetry

/// Compares the topic with what the pipeline needs. Pure: all facts are passed in.
struct TopicCheck {
  var name: String
  /// nil if the topic does not exist.
  var description: TopicDescription?
  /// The settings with which the topic is created, or should have been.
  var wanted = NewTopic()
  /// nil if the broker does not tell.
  var settings: [String: String]?
  /// The number of the group's members; nil if the broker does not tell, or if it does not matter.
  var members: Int?
  /// The members that do not belong to the output.
  var strangers: [GroupStranger] = []
  var group = ""

  func findings() -> [Finding] {
    guard let description else {
      return [
        .ok(
          "topic_partitions", "there is no topic \(name) yet: the first producer or consumer creates it, with \(plan)")
      ]
    }
    return shape(description)
      + [replicas(description), cleanup, otherwise(description), sharing(description), foreign].compactMap { $0 }
  }

  private var foreign: Finding? {
    guard !strangers.isEmpty else { return nil }
    return .problem(
      "group_strangers",
      "group \(group) has members that do not store into this output, and images that they receive are missing there: "
        + GroupStranger.listed(strangers),
      cure: "give this output a CONSUMER_GROUP of its own, or stop them")
  }

  private var plan: String {
    func count(_ number: Int32, _ noun: String) -> String {
      number < 0 ? "the broker's number of \(noun)s" : Quantity.count(Int(number), noun)
    }
    let settings = wanted.settings.sorted { $0.key < $1.key }.map { ", \($0.key)=\($0.value)" }
    return "\(count(wanted.partitions, "partition")), \(count(wanted.replicationFactor, "replica"))\(settings.joined())"
  }

  private func otherwise(_ description: TopicDescription) -> Finding? {
    let differences = wanted.differences(partitions: description.partitions.count, settings: settings ?? [:])
    guard !differences.isEmpty else { return nil }
    return .note(
      "topic_settings",
      "it has other settings than a new one would have: \(differences.joined(separator: ", "))",
      "kafka-topics --alter --partitions, kafka-configs --alter --add-config; or set the variables to its settings")
  }

  private func shape(_ description: TopicDescription) -> [Finding] {
    let count = description.partitions.count
    let replicas = description.partitions.map(\.replicas.count).min() ?? 0
    var findings = [
      Finding.ok(
        "topic_partitions",
        "\(name): \(Quantity.count(count, "partition")), \(Quantity.count(replicas, "replica")) of each")
    ]
    let leaderless = description.partitions.filter { $0.leader == nil }
    if !leaderless.isEmpty {
      let homes = Set(leaderless.flatMap(\.replicas)).sorted().map { String($0) }.joined(separator: " or ")
      findings.append(
        .problem(
          "partition_leaders",
          "no leader, so these partitions cannot be written or read: \(listed(leaderless))",
          cure: "start broker \(homes)"))
    }
    return findings
  }

  private func replicas(_ description: TopicDescription) -> Finding? {
    let least = settings?["min.insync.replicas"].flatMap { Int($0) }
    let alive = description.partitions.filter { $0.leader != nil }
    let blocked = alive.filter { $0.inSync.count < least ?? 1 }
    if let least, !blocked.isEmpty {
      let missing = Set(blocked.flatMap { Set($0.replicas).subtracting($0.inSync) }).sorted().map { String($0) }
      let start = missing.isEmpty ? "" : "start broker \(missing.joined(separator: ", ")), or "
      return .problem(
        "replicas_in_sync",
        "fewer replicas in sync than min.insync.replicas=\(least), so nothing is acknowledged: \(listed(blocked))",
        cure: start
          + "give the topic that many replicas, or: kafka-configs --alter --entity-type topics --entity-name \(name) "
          + "--add-config min.insync.replicas=\(blocked.map(\.inSync.count).min() ?? 1)")
    }
    let behind = alive.filter { $0.inSync.count < $0.replicas.count }
    if !behind.isEmpty {
      let missing = Set(behind.flatMap { Set($0.replicas).subtracting($0.inSync) }).sorted().map { String($0) }
      return .note(
        "replicas_in_sync",
        "not all replicas are in sync: \(listed(behind))", "look at broker \(missing.joined(separator: ", "))")
    }
    let replicas = alive.map(\.replicas.count).min() ?? 0
    if replicas == 1 {
      return .note(
        "replica_count",
        "1 replica: when its broker's disk is lost, images that are not stored yet are lost",
        "three brokers (docker/compose.cluster.yml) and a topic created with TOPIC_REPLICATION_FACTOR=3; verify --resend "
          + "sends lost images again")
    }
    if replicas > 1, least == 1 {
      return .note(
        "min_insync_replicas",
        "min.insync.replicas=1: an acknowledged image may be on only one broker",
        "kafka-configs --alter --entity-type topics --entity-name \(name) --add-config min.insync.replicas=2")
    }
    return nil
  }

  private var cleanup: Finding? {
    guard let policy = settings?["cleanup.policy"] else { return nil }
    guard policy.split(separator: ",").contains("compact") else {
      return .ok("cleanup_policy", "cleanup.policy=\(policy)")
    }
    return .problem(
      "cleanup_policy",
      "cleanup.policy=\(policy): compaction keeps only the last segment of an image, because all its segments have the same key",
      cure: "kafka-configs --alter --entity-type topics --entity-name \(name) --add-config cleanup.policy=delete")
  }

  private func sharing(_ description: TopicDescription) -> Finding? {
    guard let members else { return nil }
    let count = description.partitions.count
    let group = "group \(group)"
    switch members {
    case 0:
      return .note(
        "group_members", "\(group) has no consumer at the moment",
        "start one if one should run: image-pipeline consumer")
    case ...count:
      return .ok(
        "group_members", "\(group): \(Quantity.count(members, "consumer")) for \(Quantity.count(count, "partition"))")
    default:
      return .note(
        "group_members",
        "\(group): \(members) consumers for \(Quantity.count(count, "partition")): \(members - count) of them have nothing to do",
        "fewer consumers, or kafka-topics --alter --topic \(name) --partitions \(members) (older versions of an image may then "
          + "arrive after newer ones)")
    }
  }

  private func listed(_ partitions: [TopicDescription.Partition]) -> String {
    let shown = partitions.prefix(10).map { String($0.number) }.joined(separator: ",")
    return "partition\(partitions.count == 1 ? "" : "s") \(shown)\(partitions.count > 10 ? ",..." : "")"
  }
}
