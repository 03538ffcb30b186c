import Kafka
import Output
import Platform

/// The lag of the assigned partitions, and whether any of it gets stored.
final class LagWatch {
  typealias Session = ConsumerSession<KafkaMessage>
  typealias Instant = ContinuousClock.Instant

  private let consumer: KafkaConsumer
  private let events: ConsumerEvents
  let inquiry: LeaderInquiry
  private var progress = StoringWatch()
  private var nextLook: Instant?
  private var nextRefetch: Instant?

  private static let interval = Duration.milliseconds(500)
  private static let refetchInterval = Duration.seconds(30)

  init(_ consumer: KafkaConsumer, topic: String, events: ConsumerEvents) {
    self.consumer = consumer
    self.events = events
    inquiry = LeaderInquiry(consumer, topic: topic)
  }

  /// Forgets what is known of the partitions: others are assigned, or they are read from other offsets.
  func forget() { inquiry.forget() }

  /// Messages of the assigned partitions that are not stored. Their number comes from the last fetches, or from the
  /// leaders if nothing is fetched.
  func lag(of session: Session) -> Int {
    session.partitions.reduce(0) { sum, entry in
      let ends = [consumer.knownEnd(partition: entry.key), inquiry.end(of: entry.key)]
      guard let high = ends.compactMap(\.self).max() else { return sum }
      return sum + Int(max(0, high - (entry.value.committable ?? 0)))
    }
  }

  /// Reports the lag at intervals. To be called after each poll.
  /// - Returns: partitions to seek again. Their fetches were refused, and without a new message nothing shows that they
  ///   no longer are.
  func look(_ session: Session, at now: Instant = .now) -> [Int32] {
    if let nextLook, now < nextLook { return [] }
    nextLook = now + Self.interval
    let lag = lag(of: session)
    events.lag = lag
    let partitions = Array(session.partitions.keys)
    // While nothing is fetched, no fetch tells what has arrived.
    if session.isPaused { inquiry.ask(partitions) } else { inquiry.askNowAndThen(partitions) }
    progress.look(
      lag: lag, stored: session.committable.values.reduce(0, +), epoch: session.epoch, silence: inquiry.silence,
      events.health)
    guard !session.isPaused, nextRefetch.map({ now >= $0 }) ?? true else { return [] }
    nextRefetch = now + Self.refetchInterval
    return events.unreadable
  }

  /// Makes librdkafka fetch more.
  func wakeFetchers(_ session: Session) {
    var left: [Int32: Int64] = [:]
    for (partition, state) in session.partitions {
      // Before the first fetch of a partition, nobody knows how much it holds.
      let some = consumer.knownEnd(partition: partition).map { $0 - state.expected } ?? Int64(UInt32.max)
      if some > 0 { left[partition] = some }
    }
    inquiry.wakeFetchers(left: left)
  }
}
