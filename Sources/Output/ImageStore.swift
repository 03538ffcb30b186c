package import Messaging
package import Platform
import SQLite
package import Telemetry
package import Wire

/// An output: images, catalog and CSV file. Stores batches of messages so that a kill at any instant loses nothing and
/// doubles nothing:
///
/// 1. images into temporary files, hash and length verified, synced;
/// 2. the catalog's lock, and each partition's position compared with what this process last saw there;
/// 3. renames in offset order, folders synced; the CSV file brought up to the catalog and synced; commit.
///
/// Whoever finds another position has lost: nothing of its batch is seen. A crash after the renames repeats them.
package final class ImageStore {
  package let output: OutputFolder
  package let catalog: Catalog
  private let lock: OutputLock
  package let slot: ConsumerSlot
  package let letters: any DeadLetterSink
  private let csv: CSVFile
  private let preparer: BatchPreparer
  private let wait: LockWait
  package let assembler: Assembler
  package var sameName = SameName.replace
  /// Files among the segments that are to be removed where no image needs them any more.
  private var leftovers: Set<Catalog.SegmentFile> = []

  /// How often a batch is written whose segments somebody removes.
  private static let mostPreparations = 4

  /// - Parameters:
  ///   - deadLetters: keeps them. It is given the output's `.image-pipeline`, and a folder on the same file system that
  ///     is this consumer's own and is emptied at its next start.
  ///   - health: told of the CSV file's; of the rest its user tells.
  ///   - stop: ends the wait for a lock that another consumer keeps.
  /// - Throws: `LockWait.Ended` then.
  package init(
    outputPath: String, csvPath: String, log: Log, health: Health = Health(), stop: StopFlag = StopFlag(),
    deadLetters: (_ reserved: Folder, _ incoming: Folder) throws -> any DeadLetterSink
  ) throws {
    output = try OutputFolder(path: outputPath, csvPath: csvPath)
    let alone = output.fileSystem.isShared
    lock = try OutputLock.share(in: output.reserved)
    slot = try ConsumerSlot.claim(in: output.reserved, alone: alone)
    wait = LockWait(path: output.reserved.path + "/" + Catalog.fileName, log: log, stop: stop)
    catalog = try Catalog(in: output.reserved, exclusive: alone, wait: wait)
    csv = CSVFile(path: csvPath, outputPath: output.path, catalog: catalog, slot: slot, log: log, health: health)
    letters = try deadLetters(output.reserved, slot.incoming)
    preparer = BatchPreparer(output, incoming: slot.incoming)
    assembler = Assembler(output: output, catalog: catalog, letters: letters)
    try catalog.transaction {
      try LostCatalog.check(catalog, output, csv, log: log)
      try csv.synchronize()
    }
  }

  /// Messages of partitions whose positions are known, in offset order within each.
  package struct Batch {
    let topic: Catalog.Topic
    package var messages: [any Message]
    /// What each partition's position must be in the catalog for the batch to be ours to store.
    package var base: [Int32: Catalog.Position?]
    /// What is known of its messages by now.
    var findings = Findings()
    /// Concerns the first message, and needs its letters. A value: a transaction that comes to nothing leaves the batch
    /// that is tried again as it was.
    var obstacle: Obstacle?

    package init(
      topic: Catalog.Topic, messages: [any Message], base: [Int32: Catalog.Position?],
      findings: Findings = Findings(), obstacle: Obstacle? = nil
    ) {
      self.topic = topic
      self.messages = messages
      self.base = base
      self.findings = findings
      self.obstacle = obstacle
    }

    /// Whether it holds messages that are nothing any more but the files which were prepared of them.
    package var isReleased: Bool { messages.contains(where: \.isReleased) }
  }

  package struct Stored {
    /// New images: name, bytes, and when it was sent, in ms since 1970, where its message says so.
    package var images: [(name: String, bytes: Int, sent: Int64?)] = []
    /// Images that were there already, the same to the byte.
    package var unchanged = 0
    /// Names of images that replaced another image.
    package var replaced: [String] = []
    /// Images that were stored next to another image of their name: names as sent and as stored.
    package var keptBoth: [(name: String, storedAs: String)] = []
    /// Older versions of images, which have their rows.
    package var past = 0
    package var letters = 0
    package var positions: [Int32: Catalog.Position] = [:]
    package var remainder = Remainder.nothing
  }

  /// What a transaction has left of its batch: a message of it turned out to be unusable.
  package enum Remainder {
    case nothing
    /// To be stored next. Its first message's dead letter comes first.
    case batch(Batch)
    /// The same, but that takes messages whose content was given back: read them again.
    case unreadable

    package var isUnreadable: Bool { if case .unreadable = self { true } else { false } }
    /// What is to be stored next.
    package var rest: Batch? { if case .batch(let rest) = self { rest } else { nil } }
  }

  package enum Outcome {
    case stored(Stored)
    /// Another consumer has moved a position, or has found the topic to be made anew: read the catalog again.
    case fenced
    /// `whileWaiting` said so.
    case givenUp
  }

  /// Begins what can be done for a batch before it is stored.
  /// - Parameter releasing: gives back what need not be kept where all goes well. Where it does not, such a batch cannot be
  ///   tried again: its messages must be read again.
  package func begin(_ batch: Batch, releasing: Bool = false) -> Preparation {
    preparer.begin(batch.messages, releasing: releasing)
  }

  /// A batch that was begun is not to be stored.
  package func abandon(_ preparation: Preparation) {
    if let prepared = try? preparation.finish() { preparer.drop(prepared[...]) }
  }

  /// Stores the batch in one transaction, or the part of it before a message that turns out to be unusable only there: no
  /// letter is sent while the lock is held.
  /// - Parameters:
  ///   - preparations: what `begin` gave for it, or for the batches that it consists of; used once. Empty where it has not
  ///     begun.
  ///   - whileWaiting: called while another consumer holds the lock, and now and then while this one does and reads
  ///     large files. It must use neither the catalog nor the output: what it learns is acted upon after the transaction.
  ///     Returns false to give the batch up.
  /// - Throws: what the system is at fault for (a full disk), and the same batch can be tried again, unless it is released;
  ///   or what `CatalogError.final` knows, and it cannot.
  package func store(_ batch: Batch, _ preparations: [Preparation] = [], whileWaiting: @escaping () -> Bool) throws
    -> Outcome
  {
    var preparations = preparations
    defer { for preparation in preparations { abandon(preparation) } }
    try catalog.checkPlace()
    guard try deliverLetters(of: batch) else { return .givenUp }
    var attempts = 1
    while true {
      let settled = batch.findings.settled
      let prepared =
        preparations.isEmpty
        ? try preparer.prepare(batch.messages) { settled[$0.place] != nil }
        : try preparations.flatMap { try $0.finish() }
      preparations = []
      do { return try store(batch, prepared, whileWaiting) } catch {
        preparer.drop(prepared[...])
        guard error is SegmentFileGone, attempts < Self.mostPreparations, !batch.isReleased else { throw error }
        attempts += 1
      }
    }
  }

  private func store(_ batch: Batch, _ prepared: [Prepared], _ whileWaiting: @escaping () -> Bool) throws -> Outcome {
    let refused = zip(batch.messages, prepared).compactMap { message, result in
      if case .refused(let reason) = result { DeadLetter(message: message, reason: reason) } else { nil }
    }
    guard try deliver(refused, batch.findings) else { return givingUp(prepared) }
    while try !catalog.database.tryBegin() {
      guard whileWaiting() else { return givingUp(prepared) }
      try wait.isBusy()
    }
    wait.isOver()
    do {
      guard try isOurs(batch) else {
        catalog.database.rollback()
        preparer.drop(prepared[...])
        return .fenced
      }
      FaultPoint.lockTaken.reached()
      // Where both are kept, an older version replaces nothing.
      assembler.hasPast = try sameName == .replace && catalog.hasPast
      var attempt = Attempt()
      let heart = Heartbeat(every: assembler.beatMilliseconds, goesOn: whileWaiting)
      var count = 0
      for (message, result) in zip(batch.messages, prepared) {
        if let obstacle = try apply(result, message, batch, &attempt, heart) {
          // Letters are made of messages.
          attempt.stored.remainder =
            batch.messages[count...].contains(where: \.isReleased)
            ? .unreadable : .batch(try rest(of: batch, from: count, obstacle, prepared, attempt.stored.positions))
          break
        }
        count += 1
        attempt.stored.positions[message.partition] = Catalog.Position(next: message.offset + 1, last: message.mark)
      }
      // Two files of two folders: the disk can do both at once.
      let syncing = BackgroundTask(output.takeTouched())
      do { try csv.synchronize(heart) } catch {
        try? syncing.finish()
        throw error
      }
      try syncing.finish()
      FaultPoint.foldersSynced.reached()
      for (partition, position) in attempt.stored.positions {
        try catalog.set(position, batch.topic, partition: partition)
      }
      FaultPoint.positionsRecorded.reached()
      try catalog.database.commit()
      FaultPoint.transactionCommitted.reached()
      // What is read again must not have its letters twice.
      if !attempt.stored.remainder.isUnreadable { letters.settled() }
      // It is stored, whatever becomes of these.
      try? removeLeftovers(attempt.leftovers)
      preparer.drop(attempt.unused[...])
      preparer.drop(prepared[count...])
      return .stored(attempt.stored)
    } catch {
      // What has its name already is found again, as after a crash.
      catalog.database.rollback()
      guard error is Heartbeat.GivenUp else { throw error }
      return givingUp(prepared)
    }
  }

  private func givingUp(_ prepared: [Prepared]) -> Outcome {
    preparer.drop(prepared[...])
    return .givenUp
  }

  /// Removes segment files, but for those that an image waits for, by now, too. What cannot be removed at the moment, since
  /// another consumer has the lock, is with the next ones.
  func removeLeftovers(_ files: [Catalog.SegmentFile]) throws {
    leftovers.formUnion(files)
    // Within the lock: without it another consumer may record a part in one that it has found to be there.
    guard !leftovers.isEmpty, try catalog.database.tryBegin() else { return }
    defer { catalog.database.rollback() }
    for file in leftovers where try catalog.assembly(segmentID: file.segmentID, count: file.count) == nil {
      try output.segments.remove(file.name)
    }
    leftovers = []
  }

  private func isOurs(_ batch: Batch) throws -> Bool {
    guard try catalog.generation(of: batch.topic) == batch.topic.generation else { return false }
    for (partition, position) in batch.base {
      guard try catalog.position(batch.topic, partition: partition) == position else { return false }
    }
    return true
  }
}
