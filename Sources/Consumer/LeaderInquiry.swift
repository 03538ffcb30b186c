import Kafka
import Platform
import Synchronization

/// Asks the leaders of partitions for the end offsets. That serves two purposes.
///
/// - librdkafka fetches more while a batch is stored. Before 2.2 it stops fetching when its queue is full, and looks at
///   the queue again once a second, whatever was taken out meanwhile. A consumer that is held up by its disk then waits
///   most of the time. Any question to a partition's leader wakes the thread that fetches from it. Measured: 3 to 4
///   times the rate.
/// - The lag is known while a consumer fetches nothing, because it waits for its disk or for another consumer.
///
/// The questions have a thread of their own. The broker answers them one after the other, and a question waits behind a
/// fetch that itself waits for new messages (`fetch.wait.max.ms`, half a second).
final class LeaderInquiry {
  private let consumer: KafkaConsumer
  private let topic: String
  /// One waiting request is enough: it covers whatever is missing by the time it is served.
  private let wishes = BoundedQueue<[Int32]>(capacity: 1)
  private let answers = Answers()
  /// At most this many partitions are asked at once. Each costs a round trip.
  private static let mostToWake = 4
  private static let patience = Duration.seconds(1)
  /// The time between two rounds of `askNowAndThen`.
  private static let interval = Duration.seconds(5)
  private var nextLook = MonotonicClock.now
  private var turn = 0

  private final class Answers: Sendable {
    /// `epoch` grows with `forget`. Answers to questions from an earlier epoch set neither an end nor a silence.
    let state = Mutex((epoch: 0, ends: [Int32: Int64](), silences: [Int32: Silence]()))
  }

  /// A leader that does not answer.
  struct Silence: Sendable {
    let partition: Int32
    /// When its first unanswered question failed.
    let since: MonotonicClock.Instant
    let reason: String
  }

  init(_ consumer: KafkaConsumer, topic: String) {
    self.consumer = consumer
    self.topic = topic
    // The thread ends when the queue is closed. Nobody waits for the last answer.
    _ = BackgroundThread.start("leaders") { [consumer, topic, wishes, answers] in
      while let partitions = wishes.pop(timeout: nil) {
        for partition in partitions where !wishes.isFinished {
          let epoch = answers.state.withLock { $0.epoch }
          do {
            let end = try consumer.end(of: topic, partition: partition, timeout: Self.patience)
            answers.state.withLock { state in
              state.silences[partition] = nil
              if state.epoch == epoch { state.ends[partition] = end }
            }
          } catch {
            answers.state.withLock { state in
              guard state.epoch == epoch else { return }
              let since = state.silences[partition]?.since ?? MonotonicClock.now
              state.silences[partition] = Silence(partition: partition, since: since, reason: "\(error)")
            }
          }
        }
      }
    }
  }

  deinit { wishes.close() }

  /// Makes librdkafka fetch more, unless enough is fetched ahead.
  /// - Parameter left: the number of offsets still to read, for each partition that has not been read to its end.
  func wakeFetchers(left: [Int32: Int64]) {
    guard left.values.reduce(0, +) > consumer.fetchedAhead else { return }
    ask(Array(left.keys.shuffled().prefix(Self.mostToWake)))
  }

  /// Asks the leaders of a few partitions, in turn. Used by one thread.
  func askNowAndThen(_ partitions: [Int32], now: MonotonicClock.Instant = .now) {
    guard now >= nextLook, !partitions.isEmpty else { return }
    nextLook = now + Self.interval
    let sorted = partitions.sorted()
    // A leader that did not answer is asked first: it may only have been slow.
    let silent = answers.state.withLock { $0.silences.keys.sorted() }
    let inTurn = (0..<min(Self.mostToWake, sorted.count)).map { sorted[(turn + $0) % sorted.count] }
    ask(Array(silent.prefix(Self.mostToWake)) + inTurn.filter { !silent.contains($0) })
    turn = (turn + Self.mostToWake) % sorted.count
  }

  /// The leader that has not answered for the longest time; nil if all have answered.
  var silence: Silence? { answers.state.withLock { $0.silences.values.min { $0.since < $1.since } } }

  /// Asks for the ends of these partitions. Does not wait: `end(of:)` has the answers later.
  func ask(_ partitions: [Int32]) { _ = wishes.tryPush(partitions) }

  /// The offset after a partition's last message, by the latest answer; nil if there is none.
  func end(of partition: Int32) -> Int64? { answers.state.withLock { $0.ends[partition] } }

  /// Forgets all answers: other partitions are assigned, or they are read from other offsets.
  func forget() {
    answers.state.withLock {
      $0.epoch += 1
      ($0.ends, $0.silences) = ([:], [:])
    }
  }
}
