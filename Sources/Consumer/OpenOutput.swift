import Bucket
import Configuration
import DeadLetters
import Output
import Platform
import Telemetry

/// An output that a consumer stores into: a folder or a bucket.
struct OpenOutput {
  let store: ImageStore
  let positions: any StoredPositions
  /// nil: the output is a folder.
  let bucket: BucketOutput?

  /// Opens a folder.
  init(folder settings: ConsumerSettings, log: Log, events: ConsumerEvents, stop: StopFlag) throws {
    store = try ImageStore(
      outputPath: settings.outputPath, csvPath: settings.csvPath, log: log, health: events.health, stop: stop
    ) { reserved, incoming in
      try DeadLetters(
        topic: settings.topic, settings: settings.embeddedCluster == nil ? settings.kafka : nil, reserved: reserved,
        incoming: incoming, log: log)
    }
    store.place.sameName = settings.sameName
    positions = store.catalog
    bucket = nil
  }

  /// Opens a bucket. Waits until the store answers and accepts this consumer.
  /// - Returns: nil if `stop` was set first.
  init?(
    _ bucket: BucketSettings, _ settings: ConsumerSettings, log: Log, events: ConsumerEvents, stop: StopFlag
  ) throws {
    // Positions are those of all consumers: this one cannot turn them back alone.
    if settings.fromBeginning { throw NoRereading(output: bucket.address.description) }
    var retry = Backoff(from: .seconds(1), to: .seconds(30))
    while true {
      events.beat(waiting: 0)
      do {
        let output = try BucketOutput(bucket, sameName: settings.sameName, log: log, stop: stop) { _ in
          DeadLetters(topic: settings.topic, settings: settings.kafka, log: log)
        }
        events.bucketAnswers()
        (store, positions, self.bucket) = (output.store, output.state, output)
        return
      } catch {
        guard Disposition(of: error)?.mayPass == true else { throw error }
        let delay = retry.failed()
        events.bucketUnavailable(error, retryIn: delay)
        if stop.wait(for: delay) { return nil }
      }
    }
  }

  func close() {
    store.letters.close()
    bucket?.close()
  }
}

/// `--from-beginning` on a bucket.
struct NoRereading: Error, CustomStringConvertible {
  let output: String
  var description: String {
    "--from-beginning is for folders: all consumers of \(output) share its positions. To store a topic again, set another prefix in "
      + "PROCESSED_IMAGES_DIR, and another CONSUMER_GROUP"
  }
}
