@testable import Consumer
@testable import DeadLetters
@testable import Kafka
@testable import Output
@testable import Telemetry

extension ImageStore {
  /// With the dead letters of a consumer.
  /// - Parameter settings: of the broker that dead letters are sent to; nil: to disk.
  convenience init(
    outputPath: String, csvPath: String, topic: String, deadLetterSettings settings: KafkaSettings?, log: Log
  ) throws {
    try self.init(outputPath: outputPath, csvPath: csvPath, log: log) { reserved, incoming in
      try DeadLetters(topic: topic, settings: settings, reserved: reserved, incoming: incoming, log: log)
    }
  }

  var deadLetters: DeadLetters { letters as! DeadLetters }
}
