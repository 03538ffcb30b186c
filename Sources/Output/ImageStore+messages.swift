import Messaging
import Platform
import Wire

/// How each message is handled within the transaction.
extension ImageStore {
  /// What one transaction has done so far.
  package struct Attempt {
    var stored = Stored()
    /// Segment files that are not needed once the transaction is committed.
    var leftovers: [Catalog.SegmentFile] = []
    /// Images whose temporary files were not renamed, and are removed after the commit.
    var unused: [Prepared] = []
    /// The images of the receipts, in the order of their messages. Empty if none are written.
    var receipts: [Int32: [Receipt.Image]] = [:]
  }

  /// - Returns: what keeps the message from being stored in this transaction; nil if nothing does.
  func apply(
    _ result: Prepared, _ message: any Message, _ batch: Batch, _ attempt: inout Attempt, _ heart: Heartbeat
  ) throws -> Obstacle? {
    switch result {
    // Its dead letter was delivered just before this transaction.
    case .refused(let reason):
      attempt.stored.letters += 1
      confirmLetter(reason.kind, message, &attempt)
    case .settled:
      guard let finding = batch.findings.settled[message.place] else { break }
      attempt.stored.letters += finding.letters
      if let image = finding.image {
        attempt.leftovers += try assembler.forget(image)
        confirm(
          .deadLetter(reason: finding.kind), image.name, image.digest, image.length, message, &attempt)
      } else {
        confirmLetter(finding.kind, message, &attempt)
      }
    case .image(let image):
      func confirm(_ outcome: Receipt.Outcome) {
        self.confirm(outcome, image.name.value, image.digest, image.size, message, &attempt)
      }
      switch try place.store(image, of: message, batch.topic, heart) {
      case .unchanged:
        attempt.stored.unchanged += 1
        attempt.unused.append(result)
        confirm(.unchanged)
      case .past:
        attempt.stored.past += 1
        attempt.unused.append(result)
        confirm(.superseded)
      case .nextTransaction: return .transaction
      case .refused(let refusal): return .messages([DeadLetter(message: message, reason: BadMessage(refusal))])
      case .stored(let stored):
        attempt.stored.add(stored, sentAs: image.name, message)
        confirm(.stored)
      }
    case .part(let part): return try apply(part, message, batch.topic, &attempt, heart)
    }
    return nil
  }

  private func apply(
    _ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic, _ attempt: inout Attempt,
    _ heart: Heartbeat
  ) throws -> Obstacle? {
    func confirm(_ outcome: Receipt.Outcome) {
      self.confirm(outcome, part.name.value, part.digest, part.length, message, &attempt)
    }
    if try catalog.assembly(segmentID: part.segment.id, count: part.segment.count) == nil,
      try place.isStored(part, message, topic, heart)
    {
      // A part that was sent again, of an image that is complete.
      if part.segment.index == part.segment.count - 1 {
        attempt.stored.unchanged += 1
        confirm(.unchanged)
      }
      attempt.leftovers.append(part.segment.file)
      return nil
    }
    switch try assembler.add(part, message, topic, heart) {
    case .incomplete:
      FaultPoint.segmentRecorded.reached()
      return nil
    case .complete(let image, let done):
      attempt.stored.add(image, sentAs: part.name, message)
      confirm(.stored)
      attempt.leftovers += done
    case .unchanged(let done):
      attempt.stored.unchanged += 1
      confirm(.unchanged)
      attempt.leftovers += done
    case .past(let done):
      attempt.stored.past += 1
      confirm(.superseded)
      attempt.leftovers += done
    case .obstacle(let obstacle): return obstacle
    }
    return nil
  }
}

extension ImageStore.Stored {
  fileprivate mutating func add(_ image: StoredImage, sentAs name: ImageName, _ message: any Message) {
    images.append((image.name.value, image.bytes, message.timestamp))
    if image.isReplacement { replaced.append(image.name.value) }
    if image.isNew, image.name != name { keptBoth.append((name.value, image.name.value)) }
  }
}

extension Catalog.Entry {
  init(_ digest: Digest, _ status: FileStatus) {
    self.init(digest: digest, size: status.size, modified: status.modified, inode: status.inode)
  }

  /// Whether this is the file that was stored, unaltered as far as size, modification time and inode show.
  func isStampOf(_ status: FileStatus) -> Bool {
    status.size == size && status.modified == modified && status.inode == inode
  }
}
