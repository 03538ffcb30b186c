import Kafka

/// What a consumer is told. See `Configuration` for the environment's names and defaults.
public struct ConsumerSettings: Sendable {
  public var topic: String
  public var outputPath: String
  public var csvPath: String
  /// librdkafka's properties, `group.id` and the servers among them.
  public var kafka: KafkaSettings
  /// How the topic is made where there is none.
  public var newTopic = NewTopic()
  /// The most messages that one transaction stores.
  public var batchImages = 1024
  /// The most bytes of messages that one transaction stores; a single larger message goes alone.
  public var batchBytes = 16 << 20
  /// How long an image may wait for its next segment, in ms.
  public var segmentTimeout = 3_600_000
  /// What becomes of an image whose name another image has.
  public var sameName = SameName.replace
  /// Reads the whole topic again; images that are there stay as they are.
  public var fromBeginning = false
  /// Ends the run after so many stored images.
  public var count: Int?
  /// Ends the run when the whole topic has been stored for so long, in ms.
  public var untilIdle: Int?
  /// Set where the cluster ends with this process: its identity, instead of what the broker says. Dead letters then go
  /// to disk.
  public var embeddedCluster: String?
  /// Told of every position that is stored: partition and next offset.
  public var onStored: (@Sendable (Int32, Int64) -> Void)?

  public init(topic: String, outputPath: String, csvPath: String, kafka: KafkaSettings) {
    self.topic = topic
    self.outputPath = outputPath
    self.csvPath = csvPath
    self.kafka = kafka
  }
}
