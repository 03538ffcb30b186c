import Platform
import Wire

extension Ledger {
  /// The ledger's record of a file.
  package struct Line: Equatable {
    let stamp: FileStamp
    let digest: Digest
    /// nil if the same bytes were sent before. A line that is read does not have it: a scan reads every line.
    let delivery: Delivery?
    /// A line that is recorded with a delivery waits for receipts. Only receipts change that.
    var state: State
    /// One bit for each output that has the image.
    var outputs: UInt64 = 0

    init(stamp: FileStamp, digest: Digest, delivery: Delivery? = nil, state: State? = nil, outputs: UInt64 = 0) {
      self.stamp = stamp
      self.digest = digest
      self.delivery = delivery
      self.state = state ?? (delivery == nil ? .unknown : .waiting)
      self.outputs = outputs
    }
  }

  /// When an image was sent, and where its last message is. Times are in ms since 1970.
  struct Delivery: Equatable, Sendable {
    var partition: Int32 = -1
    var offset: Int64 = -1
    /// When the file was found finished.
    var seen: Int64
    /// When its first message was handed to the Kafka client.
    var sent: Int64
    /// When the broker had acknowledged all of it.
    var acknowledged: Int64 = 0

    /// One of its messages is acknowledged.
    mutating func add(_ partition: Int32, _ offset: Int64) {
      self.partition = partition
      self.offset = max(self.offset, offset)
    }
  }

  /// The state of an image after the broker has acknowledged it. The numbers are those in the database.
  package enum State: Int64, CaseIterable, Sendable {
    /// An older version of the program recorded the line.
    case unknown = 0
    /// Fewer outputs than needed have confirmed it.
    case waiting = 1
    case confirmed = 2
    /// A consumer could not store it.
    case deadLetter = 3
    /// A consumer has passed its message, and did not get it. It is to be sent again.
    case lost = 4
    /// It was lost, and its file is gone.
    case gone = 5

    /// For programs.
    package var name: String {
      switch self {
      case .unknown: "unknown"
      case .waiting: "waiting"
      case .confirmed: "confirmed"
      case .deadLetter: "dead_letter"
      case .lost: "lost"
      case .gone: "gone"
      }
    }
  }
}
