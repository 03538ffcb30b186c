package import Kafka
import Platform
package import Wire

/// The settings of a producer. `Variable.groups` lists the environment variables and their defaults.
package struct ProducerSettings: Sendable {
  /// The input folder.
  package var input: String
  /// The bucket that `verify` compares with; nil: the input is a folder.
  package var inputBucket: BucketSettings?
  package var topic: String
  /// The folder of the ledger.
  package var stateFolder: String
  /// librdkafka's properties, including the servers.
  package var kafka: KafkaSettings
  /// How the topic is created if it does not exist.
  package var newTopic = NewTopic()
  package var extensions = ["*"]
  /// Patterns of files and folders that are left alone.
  var excluded: [PathPattern] = []
  package var filter: FileFilter { FileFilter(extensions: extensions, excluding: excluded) }
  /// The prefix of every image's name. The file's path below the input folder follows it.
  package var namePrefix = ""
  /// How long a file that a scan found must stay unchanged.
  package var settling = Duration.seconds(1)
  /// The time between two scans.
  package var rescan = Duration.seconds(10)
  package var afterSent = AfterSentAction.keep
  /// The folder that `AFTER_SENT=move` moves files to.
  package var sentFolder = ""
  /// How many outputs have to confirm an image before `afterSent` applies to its file.
  package var receiptsNeeded = 1
  /// The maximum bytes of an image in one message.
  package var segmentBytes = WireFormat.defaultSegmentBytes
  package var format = WireFormat.base64
  /// The maximum bytes of messages that wait for the broker.
  package var inFlightBytes = 8 << 20
  /// Whether to send the existing files and exit.
  package var once = false
  /// Whether a run with `once` waits until all that was sent is confirmed.
  package var untilStored = false
  /// Whether to forget at the start what has been sent.
  package var resend = false
  /// The only files to send, even if the ledger has them as sent; nil: all files.
  package var only: PathSet?
  /// The time without an answer from a broker after which the run fails; nil: it waits forever.
  package var patience: Duration?
  /// The input as the user wrote it, if `input` is the path that it led to at the start.
  package var namedInput: String?
  /// The identity of a cluster that ends with this process, used instead of the id that the broker reports. nil: the
  /// cluster outlives the process.
  package var embeddedCluster: String?

  package init(input: String, topic: String, stateFolder: String, kafka: KafkaSettings) {
    self.input = input
    self.topic = topic
    self.stateFolder = stateFolder
    self.kafka = kafka
  }
}
