package import Kafka
import Platform
package import Wire

/// What a producer is told. See `Configuration` for the environment's names and defaults.
package struct ProducerSettings: Sendable {
  /// The input folder.
  package var input: String
  package var topic: String
  /// Where the ledger lies.
  package var stateFolder: String
  /// librdkafka's properties, the servers among them.
  package var kafka: KafkaSettings
  /// How the topic is made where there is none.
  package var newTopic = NewTopic()
  package var extensions = ["*"]
  /// Files and folders that are left alone.
  var excluded: [PathPattern] = []
  package var filter: FileFilter { FileFilter(extensions: extensions, excluding: excluded) }
  /// Put before the path of a file below the input folder, it makes the image's name.
  package var namePrefix = ""
  /// How long a file that a scan found must not change, in ms.
  package var settleMilliseconds = 1_000
  /// The time between two scans, in ms.
  package var rescanMilliseconds = 10_000
  package var afterSent = AfterSentAction.keep
  /// Where `AFTER_SENT=move` takes files.
  package var sentFolder = ""
  /// The most bytes of an image that one message carries.
  package var segmentBytes = WireFormat.defaultSegmentBytes
  package var format = WireFormat.base64
  /// The most bytes of messages that wait for the broker.
  package var inFlightBytes = 8 << 20
  /// Send what is there and end.
  package var once = false
  /// Forget what has been sent.
  package var resend = false
  /// Only these files, whatever the ledger says of them; nil: all.
  package var only: PathSet?
  /// Where a broker does not answer for so long the run fails, in ms; nil: waits for ever.
  package var patience: Int?
  /// The input as the user wrote it, if `input` is where it led at the start.
  package var namedInput: String?
  /// Set if the cluster ends with this process: its identity, instead of what the broker says.
  package var embeddedCluster: String?

  package init(input: String, topic: String, stateFolder: String, kafka: KafkaSettings) {
    self.input = input
    self.topic = topic
    self.stateFolder = stateFolder
    self.kafka = kafka
  }
}
