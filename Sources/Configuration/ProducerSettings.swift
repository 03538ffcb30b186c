import Kafka
import Platform

/// What a producer is told. See `Configuration` for the environment's names and defaults.
public struct ProducerSettings: Sendable {
  /// The input folder.
  public var input: String
  public var topic: String
  /// Where the ledger lies.
  public var stateFolder: String
  /// librdkafka's properties, the servers among them.
  public var kafka: KafkaSettings
  /// How the topic is made where there is none.
  public var newTopic = NewTopic()
  public var extensions = ["*"]
  /// Files and folders that are left alone.
  public var excluded: [PathPattern] = []
  public var filter: FileFilter { FileFilter(extensions: extensions, excluding: excluded) }
  /// Put before the path of a file below the input folder, it makes the image's name.
  public var namePrefix = ""
  /// How long a file that a scan found must not change, in ms.
  public var settleMilliseconds = 1_000
  /// The time between two scans, in ms.
  public var rescanMilliseconds = 10_000
  public var afterSent = AfterSentAction.keep
  /// Where `AFTER_SENT=move` takes files.
  public var sentFolder = ""
  /// The most bytes of an image that one message carries.
  public var segmentBytes = ProducerSettings.defaultSegmentBytes
  public var format = WireFormat.base64
  /// The most bytes of messages that wait for the broker.
  public var inFlightBytes = 8 << 20
  /// Send what is there and end.
  public var once = false
  /// Forget what has been sent.
  public var resend = false
  /// Only these files, whatever the ledger says of them; nil: all.
  public var only: PathSet?
  /// Where a broker does not answer for so long the run fails, in ms; nil: waits for ever.
  public var patience: Int?
  /// The input as the user wrote it, if `input` is where it led at the start.
  var namedInput: String?
  /// Set where the cluster ends with this process: its identity, and what bounds the messages that nobody has stored.
  public var embedded: (cluster: String, budget: UnstoredBudget)?

  /// Base64 makes 960,000 bytes of it; with the longest name that can be stored, escaped, and the headers, a message
  /// stays below the 1,000,000 bytes that client and broker take by default.
  public static let defaultSegmentBytes = 720_000

  public init(input: String, topic: String, stateFolder: String, kafka: KafkaSettings) {
    self.input = input
    self.topic = topic
    self.stateFolder = stateFolder
    self.kafka = kafka
  }
}
