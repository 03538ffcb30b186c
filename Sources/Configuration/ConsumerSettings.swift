package import Kafka
package import Wire

/// What a consumer is told. See `Configuration` for the environment's names and defaults.
package struct ConsumerSettings: Sendable {
  package var topic: String
  package var outputPath: String
  package var csvPath: String
  /// librdkafka's properties, `group.id` and the servers among them.
  package var kafka: KafkaSettings
  /// How the topic is made where there is none.
  package var newTopic = NewTopic()
  /// The most messages that one transaction stores.
  package var batchImages = 1024
  /// The most bytes of messages that one transaction stores; a single larger message goes alone.
  package var batchBytes = 16 << 20
  /// How long an image may wait for its next segment, in ms.
  package var segmentTimeout = 3_600_000
  /// What becomes of an image whose name another image has.
  package var sameName = SameName.replace
  /// Reads the whole topic again; images that are there stay as they are.
  package var fromBeginning = false
  /// Ends the run after so many stored images.
  package var count: Int?
  /// Ends the run when the whole topic has been stored for so long, in ms.
  package var untilIdle: Int?
  /// Set where the cluster ends with this process: its identity, instead of what the broker says. Dead letters then go
  /// to disk.
  package var embeddedCluster: String?
  /// Told of every position that is stored: partition and next offset.
  package var onStored: (@Sendable (Int32, Int64) -> Void)?

  package init(topic: String, outputPath: String, csvPath: String, kafka: KafkaSettings) {
    self.topic = topic
    self.outputPath = outputPath
    self.csvPath = csvPath
    self.kafka = kafka
  }
}
