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
    /// Names that this transaction has stored, by their bytes; true if the image was assembled from segments.
    var placed: [[UInt8]: Bool] = [:]
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
      let name = try nameToStore(image.name, image.digest)
      func confirm(_ outcome: Receipt.Outcome) {
        self.confirm(outcome, image.name.value, image.digest, image.size, message, &attempt)
      }
      if try isThere(name, image.digest, heart) {
        attempt.stored.unchanged += 1
        attempt.unused.append(result)
        confirm(.unchanged)
        break
      }
      if try assembler.hasPast && catalog.isPast(image.name.value, image.digest, from: message.origin, batch.topic) {
        attempt.stored.past += 1
        attempt.unused.append(result)
        confirm(.superseded)
        break
      }
      // Renaming this image over an assembled one would leave nothing to assemble that from again after a crash.
      if attempt.placed[name.value.pathKey] == true { return .transaction }
      let status: FileStatus
      do {
        status = try output.place(
          image.temporary, in: slot.incoming, as: name, image.status, over: catalog.entry(name.value))
      } catch let refusal as ImageName.Refusal {
        return .messages([DeadLetter(message: message, reason: BadMessage(refusal))])
      }
      FaultPoint.imageRenamed.reached()
      attempt.placed[name.value.pathKey] = false
      try record(name, image.name, image.digest, image.probe, status, message, &attempt.stored)
      confirm(.stored)
    case .part(let part): return try apply(part, message, batch.topic, &attempt, heart)
    }
    return nil
  }

  private func apply(
    _ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic, _ attempt: inout Attempt,
    _ heart: Heartbeat
  ) throws -> Obstacle? {
    let name = try nameToStore(part.name, part.digest)
    func confirm(_ outcome: Receipt.Outcome) {
      self.confirm(outcome, part.name.value, part.digest, part.length, message, &attempt)
    }
    if try catalog.assembly(segmentID: part.segment.id, count: part.segment.count) == nil,
      try isThere(name, part.digest, heart)
    {
      // A part that was sent again, of an image that is complete.
      if part.segment.index == part.segment.count - 1 {
        attempt.stored.unchanged += 1
        confirm(.unchanged)
      }
      attempt.leftovers.append(part.segment.file)
      return nil
    }
    let mayComplete = attempt.placed[name.value.pathKey] == nil
    switch try assembler.add(part, as: name, message, topic, mayComplete: mayComplete, heart) {
    case .incomplete:
      FaultPoint.segmentRecorded.reached()
      return nil
    case .complete(let probe, let status, let done):
      attempt.placed[name.value.pathKey] = true
      try record(name, part.name, part.digest, probe, status, message, &attempt.stored)
      confirm(.stored)
      attempt.leftovers += done
      return nil
    case .past(let done):
      attempt.stored.past += 1
      confirm(.superseded)
      attempt.leftovers += done
      return nil
    case .obstacle(let obstacle): return obstacle
    }
  }

  /// True if exactly this image is stored under the name, according to the catalog and the disk.
  private func isThere(_ name: ImageName, _ digest: Digest, _ heart: Heartbeat) throws -> Bool {
    guard let entry = try catalog.entry(name.value), entry.digest == digest, let status = try output.status(name),
      status.size == entry.size
    else { return false }
    if entry.isStampOf(status) { return true }
    // The file was moved, restored or altered: its bytes decide.
    guard let file = try output.openFile(name), try file.digest(heart) == digest else { return false }
    try catalog.set(Catalog.Entry(digest, status), name: name.value)
    return true
  }

  /// Records an image that was renamed to its name: its entry, and its row unless it has one.
  /// - Parameters:
  ///   - name: the name that it is stored under.
  ///   - sent: its name in the message.
  private func record(
    _ name: ImageName, _ sent: ImageName, _ digest: Digest, _ probe: ImageProbe, _ status: FileStatus,
    _ message: any Message, _ stored: inout Stored
  ) throws {
    let before = try catalog.entry(name.value)?.digest
    try catalog.set(Catalog.Entry(digest, status), name: name.value)
    stored.images.append((name.value, status.size, message.timestamp))
    // The file was removed by hand, and the image arrived again: it already has its row.
    guard before != digest else { return }
    if before != nil { stored.replaced.append(name.value) }
    if name != sent { stored.keptBoth.append((sent.value, name.value)) }
    try catalog.append(
      StoredRow(
        filePath: output.filePath(name), label: name.label, digest: digest, size: status.size, format: probe.format,
        width: probe.width, height: probe.height, topic: message.topic, partition: message.partition,
        offset: message.offset, sentTime: message.timestamp, storedTime: WallClock.milliseconds))
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
