import Kafka

/// Has more fetched while a batch is stored.
///
/// librdkafka before 2.2 stops fetching when its queue is full and looks at it again once a second, whatever was taken
/// out meanwhile: a consumer that is held up by its disk then waits most of the time. Any question to a partition's
/// leader wakes the thread that fetches from it. Measured: 3 to 4 times the rate.
///
/// Not where all that is left has been fetched: the broker answers one question after the other, and would let this one
/// wait behind a fetch that itself waits for new messages (`fetch.wait.max.ms`). Measured with 100,000 small images:
/// 10 times the rate.
struct FetchWaker {
  private var last = 0
  /// Each costs a round trip; partitions are taken in turn.
  private static let most = 4

  /// - Parameter left: of each partition that has not been read to its end, how many offsets there are still.
  mutating func wake(_ consumer: KafkaConsumer, _ topic: String, left: [Int32: Int64]) {
    guard left.values.reduce(0, +) > consumer.fetchedAhead else { return }
    let behind = left.keys.sorted()
    for _ in 0..<min(behind.count, Self.most) {
      last += 1
      _ = try? consumer.watermarks(of: topic, partition: behind[last % behind.count], timeoutMilliseconds: 1_000)
    }
  }
}
