import Configuration
import Kafka
import Platform

/// Tells from the group's commits whether the partitions of other consumers are stored.
final class GroupWatch {
  private let settings: ConsumerSettings
  /// A connection of its own: on the consumer's connection, a question waits behind a fetch that waits for messages.
  private var client: KafkaConsumer?

  init(_ settings: ConsumerSettings) { self.settings = settings }

  /// - Parameters:
  ///   - own: partitions that are not asked about.
  ///   - unread: partitions whose commits are from an earlier reading of the topic.
  /// - Returns: whether they are stored; false also if the broker does not answer.
  func hasStored(allBut own: Set<Int32>, unread: Set<Int32> = []) -> Bool {
    do {
      let client = try self.client ?? KafkaConsumer(settings.kafka, topic: settings.topic)
      self.client = client
      guard let count = try client.partitionCount(of: settings.topic, timeout: .seconds(2)) else { return false }
      let others = (0..<Int32(count)).filter { !own.contains($0) }
      guard !others.isEmpty else { return true }
      let commits = try client.committed(partitions: others, timeout: .seconds(2))
      return try others.allSatisfy { partition in
        let marks = try client.watermarks(of: settings.topic, partition: partition, timeout: .seconds(2))
        return (unread.contains(partition) ? nil : commits[partition]) ?? marks.low >= marks.high
      }
    } catch { return false }
  }
}

/// Measures the time since everything was stored.
struct IdleWatch {
  /// nil: the run never ends by itself.
  let limit: Duration?
  private var since: MonotonicClock.Instant?

  init(limit: Duration?) { self.limit = limit }

  mutating func reset() { since = nil }

  /// Returns true once everything has been stored for as long as the limit.
  mutating func update(allStored: Bool, now: MonotonicClock.Instant = .now) -> Bool {
    guard let limit, allStored else {
      since = nil
      return false
    }
    let start = since ?? now
    since = start
    return now - start >= limit
  }
}
