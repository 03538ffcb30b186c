import Kafka
import Platform

/// The offsets that a backlog consists of.
extension BrokerCheck {
  /// At most this many partitions of a topic are looked at one by one.
  static let mostPartitions = 100
  /// The time limit for all partitions together.
  static let offsetsPatience = Duration.seconds(20)

  /// The offsets that the group has committed.
  func committed(_ partitions: [Int32], stop: StopFlag) throws(KafkaError) -> [Int32: Int64] {
    try Self.asking(stop) { (time) throws(KafkaError) in
      try client.committed(partitions: partitions, timeout: time)
    }
  }

  /// What each partition holds, until `deadline` has passed.
  func backlog(
    of topic: String, _ partitions: [Int32], committed: [Int32: Int64], _ deadline: Deadline, stop: StopFlag
  ) throws(KafkaError) -> [Backlog.Partition] {
    var found: [Backlog.Partition] = []
    for number in partitions where !stop.isSet && !deadline.hasPassed {
      let marks = try Self.asking(stop) { (time) throws(KafkaError) in
        try client.watermarks(of: topic, partition: number, timeout: time)
      }
      found.append(Backlog.Partition(number: number, low: marks.low, high: marks.high, committed: committed[number]))
    }
    return found
  }
}

extension TopicDescription {
  /// The partitions that a broker leads, at most `BrokerCheck.mostPartitions` of them.
  var led: [Int32] { partitions.filter { $0.leader != nil }.prefix(BrokerCheck.mostPartitions).map(\.number) }
}

extension Backlog {
  /// - Parameter settings: the topic's; nil if the broker does not tell.
  init(_ settings: [String: String]?) {
    self.init(
      partitions: [], now: WallClock.milliseconds, retentionMilliseconds: settings?["retention.ms"].flatMap { Int($0) },
      retentionBytes: settings?["retention.bytes"].flatMap { Int($0) })
  }
}
