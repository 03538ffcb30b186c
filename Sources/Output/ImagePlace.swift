package import Messaging
package import Platform
package import Wire

/// The storage of an output: a folder with a CSV file, or a bucket. `ImageStore` decides which messages are stored, in
/// which order, and which of them become dead letters. A place keeps images and rows.
///
/// All functions are called by the thread that uses the catalog, except those of preparation, which may run on any.
package protocol ImagePlace: AnyObject {
  /// The output as configured, without slashes at its end: the beginning of every `file_path`.
  var path: String { get }
  var sameName: SameName { get set }

  // MARK: Preparation

  /// Starts to prepare a batch, on a thread of its own. When that is over, the images are as durable as they can be before
  /// the transaction. It throws if the system is at fault; a fault of a message is a result.
  /// - Parameter releasing: frees the content of messages that is not needed any more; see `Message.releaseContent`.
  ///   Nothing is freed if the preparation fails.
  func begin(_ batch: ImageStore.Batch, releasing: Bool) -> Preparation
  /// Images that are already stored, are refused under their name, or are another consumer's to store.
  func drop(_ prepared: ArraySlice<Prepared>)
  /// Whether a preparation has failed in a way that makes those after it useless: all messages have to be read again.
  var mustReadAgain: Bool { get }
  /// No result of a preparation that was begun will be used.
  func restart()
  /// The run ends: what is being prepared is not waited for.
  func interrupt()

  // MARK: Within a transaction, in the order of the messages

  func beginTransaction() throws
  func store(
    _ image: PreparedImage, of message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Placement
  /// Whether exactly this image is stored, from an earlier message.
  func isStored(_ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat) throws -> Bool
  /// True for an older version of an image: it has its row, and a newer version is stored.
  func isPast(_ name: ImageName, _ digest: Digest, _ message: any Message, _ topic: Catalog.Topic) throws -> Bool
  /// Stores an image that was assembled from segments and whose bytes are verified.
  func store(
    _ image: AssembledImage, of message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Placement
  /// The image, if an attempt that was interrupted has stored it; nil if none has.
  func storedBefore(
    _ assembly: Catalog.Assembly, _ name: ImageName, of message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Placement?
  /// Why an image would be refused at the moment; nil if it would not, or if only an attempt shows it.
  func refusal(of image: PreparedImage) throws -> ImageName.Refusal?
  /// Makes all that was stored durable, and its rows.
  /// - Returns: false if another consumer has stored some of these messages, so that nothing of this transaction counts.
  func seal(_ transaction: SealedTransaction, _ heart: Heartbeat) throws -> Bool
  /// The catalog has recorded the sealed transaction.
  func recorded(_ transaction: SealedTransaction)
}

/// The outcome of storing an image.
package enum Placement: Sendable {
  case stored(StoredImage)
  /// The output already has exactly this image.
  case unchanged
  /// An older version, which has had its row.
  case past
  case refused(ImageName.Refusal)
  /// It must not share a transaction with another image of its name; see `Obstacle.transaction`.
  case nextTransaction
}

package struct StoredImage: Sendable {
  /// The name that it is stored under.
  package let name: ImageName
  package let bytes: Int
  /// Whether it is a new version. Otherwise it had its row, and was missing.
  package let isNew: Bool
  /// Whether it replaces another image.
  package let isReplacement: Bool

  package init(name: ImageName, bytes: Int, isNew: Bool, isReplacement: Bool) {
    self.name = name
    self.bytes = bytes
    self.isNew = isNew
    self.isReplacement = isReplacement
  }
}

/// The changes that a transaction is about to record.
package struct SealedTransaction {
  package let topic: Catalog.Topic
  /// The positions that each partition had, and has afterwards.
  package let base: [Int32: Catalog.Position?]
  package let positions: [Int32: Catalog.Position]
  /// What became of the images, for receipts. Empty if there are none.
  package let images: [Int32: [Receipt.Image]]
  package let lost: [Int32: [Range<Int64>]]
}

/// A verified image that is not in a transaction yet, as its place keeps it.
package protocol KeptImage: Sendable {}
