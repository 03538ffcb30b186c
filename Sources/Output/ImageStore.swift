package import Messaging
package import Platform
import SQLite
package import Telemetry
import Wire

/// An output: images, their rows, and the catalog. It stores batches of messages so that a kill at any instant loses
/// nothing and stores nothing twice. In a folder:
///
/// 1. The images are written to temporary files. Their hash and length are verified, and the files are synced.
/// 2. The catalog's lock is taken. Each partition's position is compared with what this process last saw there.
/// 3. The files are renamed in offset order, and the folders are synced. The CSV file is brought up to date with the
///    catalog and synced. The transaction is committed.
///
/// A consumer that finds a different position discards its batch; none of it becomes visible. After a crash between the
/// renames and the commit, the next attempt repeats the renames.
package final class ImageStore {
  package let place: any ImagePlace
  package let catalog: Catalog
  private let lock: OutputLock
  package let slot: ConsumerSlot
  package let letters: any DeadLetterSink
  let segments: SegmentFiles
  private let wait: LockWait
  package let assembler: Assembler
  /// The receipts of this consumer; nil: none are written.
  package var outbox: ReceiptOutbox?
  /// Segment files to be removed if no image needs them any more.
  private var leftovers: Set<Catalog.SegmentFile> = []

  /// The most times that a batch is prepared if its segment files are removed each time.
  private static let mostPreparations = 4

  /// Opens a folder as output: takes a slot, opens the catalog, and brings the CSV file up to date.
  /// - Parameters:
  ///   - deadLetters: creates the sink for dead letters. It receives the output's `.image-pipeline`, and a folder on
  ///     the same file system that only this consumer uses and that is emptied at its next start.
  ///   - health: receives the state of the CSV file. The caller reports everything else.
  ///   - stop: ends the wait for a lock that another consumer holds.
  /// - Throws: `LockWait.Ended` in that case.
  package init(
    outputPath: String, csvPath: String, log: Log, health: Health = Health(), stop: StopFlag = StopFlag(),
    deadLetters: (_ reserved: Folder, _ incoming: Folder) throws -> any DeadLetterSink
  ) throws {
    let output = try OutputFolder(path: outputPath, csvPath: csvPath)
    segments = output.segments
    let alone = output.fileSystem.isShared
    lock = try OutputLock.share(in: output.reserved)
    slot = try ConsumerSlot.claim(in: output.reserved, alone: alone)
    wait = LockWait(path: output.reserved.path + "/" + Catalog.fileName, log: log, stop: stop)
    catalog = try Catalog(in: output.reserved, exclusive: alone, wait: wait)
    let csv = CSVFile(path: csvPath, outputPath: output.path, catalog: catalog, slot: slot, log: log, health: health)
    letters = try deadLetters(output.reserved, slot.incoming)
    place = try FolderPlace(output, catalog, csv, incoming: slot.incoming)
    assembler = Assembler(segments, catalog, place, letters: letters)
    try catalog.transaction {
      try LostCatalog.check(catalog, output, csv, log: log)
      try csv.synchronize()
    }
  }

  /// Opens an output whose images are elsewhere. A scratch folder has this consumer's catalog, and the segments of
  /// incomplete images. It can be lost.
  /// - Parameters:
  ///   - scratch: an empty folder that nobody else uses.
  ///   - id: the output's identity.
  package init(
    scratch: Folder, id: String, log: Log, stop: StopFlag = StopFlag(), letters: any DeadLetterSink,
    place: (Catalog, SegmentFiles) throws -> any ImagePlace
  ) throws {
    lock = try OutputLock.share(in: scratch)
    slot = try ConsumerSlot.claim(in: scratch, alone: true)
    wait = LockWait(path: scratch.path + "/" + Catalog.fileName, log: log, stop: stop)
    catalog = try Catalog(in: scratch, id: id, exclusive: false, wait: wait)
    segments = SegmentFiles(try scratch.folder(SegmentFiles.folderName, creating: true))
    self.letters = letters
    self.place = try place(catalog, segments)
    assembler = Assembler(segments, catalog, self.place, letters: letters)
  }

  /// Messages of partitions whose positions are known, in offset order within each partition.
  package struct Batch {
    package let topic: Catalog.Topic
    package var messages: [any Message]
    /// The position that each partition must have in the catalog for this consumer to store the batch.
    package var base: [Int32: Catalog.Position?]
    /// Offsets that the topic no longer had when they were to be read, for the receipts.
    package var lost: [Int32: [Range<Int64>]]
    /// The memory of the messages' content.
    package var memory: MemoryUse.Share?
    /// What is known about the messages so far.
    var findings = Findings()
    /// What kept the first message from being stored in the previous transaction. Any dead letters for it are delivered
    /// before the next one. This is a value, so a transaction that fails leaves the batch unchanged for the next
    /// attempt.
    var obstacle: Obstacle?

    package init(
      topic: Catalog.Topic, messages: [any Message], base: [Int32: Catalog.Position?],
      lost: [Int32: [Range<Int64>]] = [:], findings: Findings = Findings(), obstacle: Obstacle? = nil
    ) {
      self.topic = topic
      self.messages = messages
      self.base = base
      self.lost = lost
      self.findings = findings
      self.obstacle = obstacle
    }

    /// Whether the outcome of a message is known, so that it is skipped.
    package func isSettled(_ message: any Message) -> Bool { findings.settled[message.place] != nil }

    /// Whether the content of some messages was freed, so that only their prepared files still have it.
    package var isReleased: Bool { messages.contains(where: \.isReleased) }
  }

  package struct Stored {
    /// New images: name, bytes, and the message's time in ms since 1970; nil if it has none.
    package var images: [(name: String, bytes: Int, sent: Int64?)] = []
    /// The number of images that were already stored with the same bytes.
    package var unchanged = 0
    /// Names under which an image replaced another one.
    package var replaced: [String] = []
    /// Images that were stored next to another image of their name: the names as sent and as stored.
    package var keptBoth: [(name: String, storedAs: String)] = []
    /// The number of older versions of images that were skipped, because they already have their rows.
    package var past = 0
    package var letters = 0
    package var positions: [Int32: Catalog.Position] = [:]
    package var remainder = Remainder.nothing
  }

  /// The part of a batch that its transaction did not store, because of an obstacle.
  package enum Remainder {
    case nothing
    /// To be stored next, after any dead letters for its first message.
    case batch(Batch)
    /// The content of some of its messages was freed, but is needed: read them again.
    case unreadable

    package var isUnreadable: Bool { if case .unreadable = self { true } else { false } }
    /// The batch that is to be stored next; nil if there is none, or if its messages must be read again.
    package var rest: Batch? { if case .batch(let rest) = self { rest } else { nil } }
  }

  package enum Outcome {
    case stored(Stored)
    /// Another consumer has moved a position, or has found that the topic was re-created: read the catalog again.
    case fenced
    /// `whileWaiting` returned false: that of `store`, or that of the dead-letter sink.
    case givenUp
  }

  /// Starts to do what can be done for a batch before it is stored.
  /// - Parameter releasing: frees content that is not needed if all goes well. If something fails after that, the
  ///   batch cannot be tried again: its messages must be read again.
  package func begin(_ batch: Batch, releasing: Bool = false) -> Preparation {
    place.begin(batch, releasing: releasing)
  }

  /// Removes the temporary files of a batch that is not to be stored. Waits until its preparation has ended.
  package func abandon(_ preparation: Preparation) {
    if let prepared = try? preparation.finish() { place.drop(prepared[...]) }
  }

  /// Stores the batch in one transaction. If a message turns out to be unusable only there, the part before it is
  /// stored, because no dead letter is sent while the lock is held.
  /// - Parameters:
  ///   - preparations: what `begin` returned for the batch, or for the batches that it was joined from; used once.
  ///     Empty if preparation has not begun.
  ///   - whileWaiting: called while another consumer holds the lock, and periodically while this consumer holds it and
  ///     reads large files. It must use neither the catalog nor the output: what it learns is acted upon after the
  ///     transaction. Returns false to give the batch up.
  /// - Throws: an error that is the system's fault, such as a full disk: the same batch can be tried again, unless it
  ///   is released. Or a final error: the batch cannot be tried again.
  package func store(_ batch: Batch, _ preparations: [Preparation] = [], whileWaiting: @escaping () -> Bool) throws
    -> Outcome
  {
    var preparations = preparations
    defer { for preparation in preparations { abandon(preparation) } }
    try catalog.checkPlace()
    guard try deliverLetters(of: batch) else { return .givenUp }
    var attempts = 1
    while true {
      if preparations.isEmpty { preparations = [place.begin(batch, releasing: false)] }
      guard areOver(preparations, whileWaiting) else { return .givenUp }
      let prepared = try preparations.flatMap { try $0.finish() }
      preparations = []
      do { return try store(batch, prepared, whileWaiting) } catch {
        place.drop(prepared[...])
        guard error is SegmentFileGone, attempts < Self.mostPreparations, !batch.isReleased else { throw error }
        attempts += 1
      }
    }
  }

  /// How long preparations are waited for without polling.
  private static let patience = Duration.seconds(1)

  /// Waits for preparations. A store in the network may take long to answer.
  /// - Returns: false if the wait was given up.
  package func areOver(_ preparations: [Preparation], _ whileWaiting: () -> Bool) -> Bool {
    preparations.allSatisfy { preparation in
      while !preparation.wait(for: Self.patience) { guard whileWaiting() else { return false } }
      return true
    }
  }

  private func store(_ batch: Batch, _ prepared: [Prepared], _ whileWaiting: @escaping () -> Bool) throws -> Outcome {
    let refused = zip(batch.messages, prepared).compactMap { message, result in
      if case .refused(let reason) = result { DeadLetter(message: message, reason: reason) } else { nil }
    }
    guard try deliver(refused, batch.findings) else { return givingUp(prepared) }
    while try !catalog.database.tryBegin() {
      guard whileWaiting() else { return givingUp(prepared) }
      try wait.tick()
    }
    wait.end()
    do {
      guard try isOurs(batch) else { return fenced(prepared) }
      FaultPoint.lockTaken.reached()
      try place.beginTransaction()
      var attempt = Attempt()
      let heart = Heartbeat(every: assembler.beat, goesOn: whileWaiting)
      var count = 0
      for (message, result) in zip(batch.messages, prepared) {
        if let obstacle = try apply(result, message, batch, &attempt, heart) {
          // Dead letters need the content of their messages.
          attempt.stored.remainder =
            batch.messages[count...].contains(where: \.isReleased)
            ? .unreadable : .batch(try rest(of: batch, from: count, obstacle, prepared, attempt.stored.positions))
          break
        }
        count += 1
        attempt.stored.positions[message.partition] = Catalog.Position(next: message.offset + 1, last: message.mark)
      }
      let transaction = SealedTransaction(
        topic: batch.topic, base: batch.base, positions: attempt.stored.positions, images: attempt.receipts,
        lost: batch.lost)
      guard try place.seal(transaction, heart) else { return fenced(prepared) }
      for (partition, position) in attempt.stored.positions {
        try catalog.set(position, batch.topic, partition: partition)
      }
      let receipts = try outbox?.write(receipts(of: attempt, batch))
      FaultPoint.positionsRecorded.reached()
      try catalog.database.commit()
      if let receipts { outbox?.committed(receipts) }
      place.recorded(transaction)
      FaultPoint.transactionCommitted.reached()
      // Messages that are read again must not get their dead letters twice, so the sink has to remember those.
      if !attempt.stored.remainder.isUnreadable { letters.settled() }
      // The batch is stored even if these files cannot be removed.
      try? removeLeftovers(attempt.leftovers)
      place.drop(attempt.unused[...])
      place.drop(prepared[count...])
      return .stored(attempt.stored)
    } catch {
      // Images that already have their names are found again, as after a crash.
      catalog.database.rollback()
      guard error is Heartbeat.GivenUp else { throw error }
      return givingUp(prepared)
    }
  }

  private func givingUp(_ prepared: [Prepared]) -> Outcome {
    place.drop(prepared[...])
    return .givenUp
  }

  private func fenced(_ prepared: [Prepared]) -> Outcome {
    catalog.database.rollback()
    place.drop(prepared[...])
    return .fenced
  }

  /// Removes segment files, except those that an image needs again by now. If another consumer holds the lock, the
  /// files are remembered, and a later call removes them.
  func removeLeftovers(_ files: [Catalog.SegmentFile]) throws {
    leftovers.formUnion(files)
    // Within the lock: without it, another consumer may record a part in a file that it has just found to exist.
    guard !leftovers.isEmpty, try catalog.database.tryBegin() else { return }
    defer { catalog.database.rollback() }
    for file in leftovers where try catalog.assembly(segmentID: file.segmentID, count: file.count) == nil {
      try segments.folder.remove(file.name)
    }
    leftovers = []
  }

  func isOurs(_ batch: Batch) throws -> Bool {
    guard try catalog.generation(of: batch.topic) == batch.topic.generation else { return false }
    for (partition, position) in batch.base {
      guard try catalog.position(batch.topic, partition: partition) == position else { return false }
    }
    return true
  }
}
