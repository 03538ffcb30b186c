import Kafka
import Platform

/// Has more fetched while a batch is stored.
///
/// librdkafka before 2.2 stops fetching when its queue is full and looks at it again once a second, whatever was taken
/// out meanwhile: a consumer that is held up by its disk then waits most of the time. Any question to a partition's
/// leader wakes the thread that fetches from it. Measured: 3 to 4 times the rate.
///
/// A thread of its own asks: the broker answers one question after the other, and lets one wait behind a fetch that itself
/// waits for new messages (`fetch.wait.max.ms`, half a second).
final class FetchWaker: Sendable {
  private let consumer: KafkaConsumer
  private let topic: String
  /// One that waits is enough: it is for what is missing by then.
  private let wishes = BoundedQueue<[Int32]>(capacity: 1)
  /// Each costs a round trip.
  private static let most = 4
  private static let patience = 1_000

  init(_ consumer: KafkaConsumer, topic: String) {
    self.consumer = consumer
    self.topic = topic
    // It ends with the wishes: the last answer is not waited for.
    _ = BackgroundThread.start("wake-fetchers") { [consumer, topic, wishes] in
      while let partitions = wishes.pop(timeoutMilliseconds: nil) {
        for partition in partitions where !wishes.isFinished {
          _ = try? consumer.end(of: topic, partition: partition, timeoutMilliseconds: Self.patience)
        }
      }
    }
  }

  deinit { wishes.close() }

  /// - Parameter left: of each partition that has not been read to its end, how many offsets there are still.
  func wake(left: [Int32: Int64]) {
    guard left.values.reduce(0, +) > consumer.fetchedAhead else { return }
    _ = wishes.tryPush(Array(left.keys.shuffled().prefix(Self.most)))
  }
}
