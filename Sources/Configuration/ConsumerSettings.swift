package import Kafka
package import Wire

/// The settings of a consumer. `Variable.groups` lists the environment variables and their defaults.
package struct ConsumerSettings: Sendable {
  package var topic: String
  package var outputPath: String
  package var csvPath: String
  /// The bucket that is the output; nil: the output is a folder.
  package var bucket: BucketSettings?
  /// librdkafka's properties, including `group.id` and the servers.
  package var kafka: KafkaSettings
  /// How the topic is created if it does not exist.
  package var newTopic = NewTopic()
  /// The maximum number of messages that one transaction stores.
  package var batchImages = 2_048
  /// The maximum bytes of messages in memory. A single larger message is stored alone.
  package var batchBytes = 16 << 20
  /// How long an image may wait for its next segment.
  package var segmentTimeout = Duration.seconds(3_600)
  /// What happens to an image if another image of its name is stored.
  package var sameName = SameName.replace
  /// Whether to confirm what is stored, in the topic of receipts.
  package var receipts = true
  /// Whether to read the whole topic again. Stored images stay as they are.
  package var fromBeginning = false
  /// The number of stored images after which the run ends; nil: no limit.
  package var count: Int?
  /// The run ends when the whole topic has been stored for this long; nil: it does not.
  package var untilIdle: Duration?
  /// The identity of a cluster that ends with this process, used instead of the id that the broker reports. Dead
  /// letters are then stored on disk, and there are no receipts. nil: the cluster outlives the process.
  package var embeddedCluster: String?
  /// Called with every position that is stored: partition and next offset.
  package var onStored: (@Sendable (Int32, Int64) -> Void)?

  package init(topic: String, outputPath: String, csvPath: String, kafka: KafkaSettings) {
    self.topic = topic
    self.outputPath = outputPath
    self.csvPath = csvPath
    self.kafka = kafka
  }
}
