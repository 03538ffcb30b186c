import Platform
import Wire

/// One image of this input, as a receipt reports it.
struct ReceiptReport: Equatable {
  /// The id of the output.
  let output: String
  /// The file's path below the input; nil if the receipt has no name.
  let path: String?
  let digest: Digest?
  let partition: Int32
  let offset: Int64
  /// When the consumer was done with it, in ms since 1970.
  let time: Int64
  let outcome: Receipt.Outcome

  /// The kind of a dead letter whose segments did not all arrive in time. They are gone, so the image has to be sent
  /// again.
  static let incomplete = "SegmentTimeout"

  /// The effect of a report on the ledger.
  enum Effect: Equatable {
    /// No line of the ledger is about this image.
    case unmatched
    /// The output is one more than a line can count.
    case ignored
    /// The line is as before, or waits for more outputs.
    case noted
    /// Enough outputs have it now. `seen`: when the file was found finished.
    case confirmed(path: String, seen: Int64)
    case deadLetter(path: String, reason: String)
    case lost(path: String)
  }

  /// The part of a ledger's line that receipts change.
  struct Progress: Equatable {
    let digest: Digest
    let partition: Int32
    let offset: Int64
    var outputs: UInt64
    var state: Ledger.State
  }

  enum Change: Equatable {
    case none
    case noted
    case confirmed
    case deadLetter(reason: String)
    case lost
  }

  /// Decides what this report changes.
  /// - Parameter number: the output's number.
  /// - Returns: nil if the report is about another image, or about an earlier message of it.
  func change(_ progress: inout Progress, number: Int, needed: Int) -> Change? {
    guard progress.offset >= 0, partition == progress.partition else { return nil }
    if case .deadLetter(let reason) = outcome {
      // The offset may be that of an earlier segment, so it decides only if there is nothing better.
      guard digest.map({ $0 == progress.digest }) ?? (offset == progress.offset) else { return nil }
      guard progress.state == .waiting else { return Change.none }
      progress.state = reason == Self.incomplete ? .lost : .deadLetter
      return reason == Self.incomplete ? .lost : .deadLetter(reason: reason)
    }
    guard digest == progress.digest, offset >= progress.offset else { return nil }
    let before = progress
    progress.outputs |= 1 << UInt64(number)
    let isEnough = progress.outputs.nonzeroBitCount >= needed
    if isEnough { progress.state = .confirmed }
    return isEnough && before.state != .confirmed ? .confirmed : progress == before ? Change.none : .noted
  }
}

/// How far an output has dealt with a partition of the images' topic.
struct PassedPosition: Equatable {
  let output: String
  let partition: Int32
  /// Everything below this offset is dealt with.
  let next: Int64
  /// When the output had come this far, in ms since 1970.
  var time: Int64 = 0

  struct Key: Hashable {
    let output: String
    let partition: Int32
  }

  var key: Key { Key(output: output, partition: partition) }

  /// Whether this is the output's position now. A lower one may be that of a receipt that was sent late, or of a topic that
  /// was re-created. Clocks are not relied on for a higher one.
  func replaces(_ other: PassedPosition?) -> Bool {
    guard let other else { return true }
    return next >= other.next || time >= other.time
  }
}
