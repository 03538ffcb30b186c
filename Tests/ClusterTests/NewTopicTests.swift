import TestSupport
import Testing

@testable import Cluster
@testable import Configuration

/// The creation of a topic, and the reasons if it fails.
@Suite struct NewTopicTests {
  private let wanted: NewTopic

  init() {
    var wanted = NewTopic()
    wanted.partitions = 6
    wanted.replicationFactor = 5
    wanted.retentionMilliseconds = 1_000
    self.wanted = wanted
  }

  private func refusal(_ name: String, _ wanted: NewTopic? = nil) -> String {
    TopicRefusal(topic: "images", wanted: wanted ?? self.wanted, name: name, reason: "because").description
  }

  @Test(
    "a refusal names the variables",
    arguments: [
      ("INVALID_REPLICATION_FACTOR", "TOPIC_REPLICATION_FACTOR=5"), ("INVALID_PARTITIONS", "TOPIC_PARTITIONS=6"),
      ("INVALID_CONFIG", "TOPIC_RETENTION_MS=1000"),
      ("POLICY_VIOLATION", "TOPIC_PARTITIONS=6, TOPIC_REPLICATION_FACTOR=5, TOPIC_RETENTION_MS=1000"),
    ])
  func refusalNamesVariables(name: String, variables: String) {
    #expect(refusal(name).contains(" images ") && refusal(name).contains(" \(variables): because"), "\(refusal(name))")
  }

  @Test("a cluster's policy may require variables that are not set") func policyMayNeedUnsetVariables() {
    #expect(
      refusal("POLICY_VIOLATION", NewTopic()).contains("TOPIC_PARTITIONS=-1, TOPIC_REPLICATION_FACTOR=-1"))
    #expect(refusal("INVALID_CONFIG", NewTopic()).contains("TOPIC_PARTITIONS=-1"))
  }

  @Test("only requested settings can differ") func onlyRequestedSettingsDiffer() {
    let has = ["retention.ms": "604800000", "retention.bytes": "-1"]
    #expect(NewTopic().differences(partitions: 1, settings: has) == [])
    #expect(
      wanted.differences(partitions: 1, settings: has)
        == ["1 partition (TOPIC_PARTITIONS=6)", "retention.ms=604800000 (TOPIC_RETENTION_MS=1000)"])
    #expect(wanted.differences(partitions: 6, settings: ["retention.ms": "1000"]) == [])
    // A missing answer is no difference.
    #expect(wanted.differences(partitions: 6, settings: [:]) == [])
  }
}
