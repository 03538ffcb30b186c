package import Platform

/// A consumer's report about a range of a partition's messages, with the outcome of each image. It is sent after the
/// transaction: an image that it names as stored is durable in the output.
///
/// One receipt covers all images of a range. So an image whose message is in the range, and which the receipt does not
/// name, will never be stored: its message was lost.
package struct Receipt: Equatable, Sendable {
  /// The identity of the output: its catalog's id.
  package let output: String
  /// The images' topic and partition.
  package let topic: String
  package let partition: Int32
  /// The range. All messages below the upper bound are dealt with.
  package let offsets: Range<Int64>
  /// When the images were stored, in ms since 1970.
  package let time: Int64
  /// In the order of their offsets.
  package var images: [Image]
  /// Offsets that the topic no longer had when the consumer came to read them.
  package var lost: [Range<Int64>]

  package init(
    output: String, topic: String, partition: Int32, offsets: Range<Int64>, time: Int64, images: [Image] = [],
    lost: [Range<Int64>] = []
  ) {
    self.output = output
    self.topic = topic
    self.partition = partition
    self.offsets = offsets
    self.time = time
    self.images = images
    self.lost = lost
  }

  package struct Image: Equatable, Sendable {
    /// The offset of the image's last message.
    package let offset: Int64
    /// The name as it was sent; nil if a dead letter's message has none that can be read.
    package let name: String?
    /// nil if a dead letter's message does not have it.
    package let digest: Digest?
    package let length: Int?
    package let outcome: Outcome

    package init(offset: Int64, name: String?, digest: Digest?, length: Int?, outcome: Outcome) {
      self.offset = offset
      self.name = name
      self.digest = digest
      self.length = length
      self.outcome = outcome
    }
  }

  package enum Outcome: Equatable, Sendable {
    case stored
    /// The output already had exactly this image.
    case unchanged
    /// An older version, which the output has had before, and replaced.
    case superseded
    /// It cannot be stored. The reason is that of the dead letter: its kind, `DigestMismatch` for example.
    case deadLetter(reason: String)
  }
}

/// The topic of receipts.
package enum ReceiptsTopic {
  package static func name(of source: String) -> String { source + "-receipts" }

  /// The settings with which the consumer creates it. A producer that was stopped reads what it has missed within the
  /// retention time. The message size is Kafka's default, which a broker may have lowered.
  package static let settings = [
    "cleanup.policy": "delete", "retention.ms": "604800000", "max.message.bytes": "1048588",
  ]
}
