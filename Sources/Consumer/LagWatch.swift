import Kafka
import Output
import Platform

/// How much of the assigned partitions is not stored, and whether any of it gets stored.
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

  /// The partitions are others from here on, or are read elsewhere.
  func forget() { inquiry.forget() }

  /// Messages of the assigned partitions that are not stored, as far as the last fetches tell, or their leaders if nothing is
  /// fetched.
  func lag(of session: Session) -> Int {
    session.partitions.reduce(0) { sum, entry in
      let ends = [consumer.knownEnd(partition: entry.key), inquiry.end(of: entry.key)]
      guard let high = ends.compactMap(\.self).max() else { return sum }
      return sum + Int(max(0, high - (entry.value.committable ?? 0)))
    }
  }

  /// Tells how much is left, every now and then. To be called after each poll.
  /// - Returns: partitions that are to be sought again: their fetches were refused, and they may have nothing new that would tell
  ///   that they are not any more.
  func look(_ session: Session, at now: Instant = .now) -> [Int32] {
    if let nextLook, now < nextLook { return [] }
    nextLook = now + Self.interval
    let lag = lag(of: session)
    events.lag = lag
    let partitions = Array(session.partitions.keys)
    // If nothing is fetched, for whatever reason, no fetch tells what else has come.
    if session.isPaused { inquiry.ask(partitions) } else { inquiry.askNowAndThen(partitions) }
    progress.look(
      lag: lag, stored: session.committable.values.reduce(0, +), epoch: session.epoch, silence: inquiry.silence,
      events.health)
    guard !session.isPaused, nextRefetch.map({ now >= $0 }) ?? true else { return [] }
    nextRefetch = now + Self.refetchInterval
    return events.unreadable
  }

  /// Has more fetched.
  func wakeFetchers(_ session: Session) {
    var left: [Int32: Int64] = [:]
    for (partition, state) in session.partitions {
      // If nothing has been fetched yet, nobody knows how much there is.
      let some = consumer.knownEnd(partition: partition).map { $0 - state.expected } ?? Int64(UInt32.max)
      if some > 0 { left[partition] = some }
    }
    inquiry.wakeFetchers(left: left)
  }
}
