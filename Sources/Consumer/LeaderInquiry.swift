import Kafka
import Platform
import Synchronization

/// Asks the leaders of partitions where these end, which is good for two things.
///
/// - More is fetched while a batch is stored. librdkafka before 2.2 stops fetching when its queue is full and looks at it again
///   once a second, whatever was taken out meanwhile: a consumer that is held up by its disk then waits most of the time. Any
///   question to a partition's leader wakes the thread that fetches from it. Measured: 3 to 4 times the rate.
/// - How far a consumer is behind is known while it fetches nothing, as one does that waits for its disk or for another.
///
/// A thread of its own asks: the broker answers one question after the other, and lets one wait behind a fetch that itself
/// waits for new messages (`fetch.wait.max.ms`, half a second).
final class LeaderInquiry {
  private let consumer: KafkaConsumer
  private let topic: String
  /// One that waits is enough: it is for what is missing by then.
  private let wishes = BoundedQueue<[Int32]>(capacity: 1)
  private let answers = Answers()
  /// Each costs a round trip.
  private static let mostToWake = 4
  private static let patience = 1_000
  /// Between two looks of `askNowAndThen`, in ms.
  private static let interval: Int64 = 5_000
  private var nextLook: Int64 = 0
  private var turn = 0

  private final class Answers: Sendable {
    /// What was asked before it grew says nothing any more.
    let state = Mutex((epoch: 0, ends: [Int32: Int64](), silences: [Int32: Silence]()))
  }

  /// A leader that does not answer.
  struct Silence: Sendable {
    let partition: Int32
    /// Since its first question without an answer, by the monotonic clock, in ms.
    let since: Int64
    let reason: String
  }

  init(_ consumer: KafkaConsumer, topic: String) {
    self.consumer = consumer
    self.topic = topic
    // It ends with the wishes: the last answer is not waited for.
    _ = BackgroundThread.start("leaders") { [consumer, topic, wishes, answers] in
      while let partitions = wishes.pop(timeoutMilliseconds: nil) {
        for partition in partitions where !wishes.isFinished {
          let epoch = answers.state.withLock { $0.epoch }
          do {
            let end = try consumer.end(of: topic, partition: partition, timeoutMilliseconds: Self.patience)
            answers.state.withLock { state in
              state.silences[partition] = nil
              if state.epoch == epoch { state.ends[partition] = end }
            }
          } catch {
            answers.state.withLock { state in
              guard state.epoch == epoch else { return }
              let since = state.silences[partition]?.since ?? Clock.monotonicMilliseconds
              state.silences[partition] = Silence(partition: partition, since: since, reason: "\(error)")
            }
          }
        }
      }
    }
  }

  deinit { wishes.close() }

  /// Has more fetched.
  /// - Parameter left: of each partition that has not been read to its end, how many offsets there are still.
  func wakeFetchers(left: [Int32: Int64]) {
    guard left.values.reduce(0, +) > consumer.fetchedAhead else { return }
    ask(Array(left.keys.shuffled().prefix(Self.mostToWake)))
  }

  /// Asks the leaders of a few partitions, in turn. Used by one thread.
  func askNowAndThen(_ partitions: [Int32], now: Int64 = Clock.monotonicMilliseconds) {
    guard now >= nextLook, !partitions.isEmpty else { return }
    nextLook = now + Self.interval
    let sorted = partitions.sorted()
    // A leader that did not answer is asked first: it may just have been slow.
    let silent = answers.state.withLock { $0.silences.keys.sorted() }
    let inTurn = (0..<min(Self.mostToWake, sorted.count)).map { sorted[(turn + $0) % sorted.count] }
    ask(Array(silent.prefix(Self.mostToWake)) + inTurn.filter { !silent.contains($0) })
    turn = (turn + Self.mostToWake) % sorted.count
  }

  /// The leader that has not answered for the longest time; nil: all did.
  var silence: Silence? { answers.state.withLock { $0.silences.values.min { $0.since < $1.since } } }

  /// Does not wait: what is answered is in `end(of:)` later.
  func ask(_ partitions: [Int32]) { _ = wishes.tryPush(partitions) }

  /// The offset behind a partition's last message, as it was last answered; nil where it was not.
  func end(of partition: Int32) -> Int64? { answers.state.withLock { $0.ends[partition] } }

  /// The partitions are others from here on.
  func forget() {
    answers.state.withLock {
      $0.epoch += 1
      ($0.ends, $0.silences) = ([:], [:])
    }
  }
}
