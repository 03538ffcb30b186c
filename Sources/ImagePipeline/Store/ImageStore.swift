import Kafka
import Platform
import SQLite
import Telemetry

/// An output: images, catalog and CSV file. Stores batches of messages so that a kill at any instant loses nothing and
/// doubles nothing:
///
/// 1. images into temporary files, hash and length verified, synced;
/// 2. the catalog's lock, and each partition's position compared with what this process last saw there;
/// 3. renames in offset order, folders synced; the CSV file brought up to the catalog and synced; commit.
///
/// Whoever finds another position has lost: nothing of its batch is seen. A crash after the renames repeats them.
final class ImageStore {
  let output: OutputFolder
  let catalog: Catalog
  let slot: ConsumerSlot
  let letters: DeadLetters
  private let csv: CSVFile
  private let decoder: MessageDecoder
  private let wait: LockWait
  let assembler: Assembler

  /// Below this many files a sync of each costs less than one of the whole file system, which also waits for what
  /// others wrote there.
  private static let fewFiles = 32
  private static let decodingThreads = 2
  /// Syncing one by one is waiting: more threads than processors.
  private static let syncingThreads = 16

  /// - Parameters:
  ///   - deadLetterSettings: nil writes dead letters to disk alone.
  ///   - stop: ends the wait for a lock that another consumer keeps.
  /// - Throws: `LockWait.Ended` then.
  init(
    outputPath: String, csvPath: String, topic: String, deadLetterSettings: KafkaSettings?, log: Log,
    stop: StopFlag = StopFlag()
  ) throws {
    output = try OutputFolder(path: outputPath, csvPath: csvPath)
    let alone = output.fileSystem.isShared
    slot = try ConsumerSlot.claim(in: output.reserved, alone: alone)
    wait = LockWait(path: output.reserved.path + "/" + Catalog.fileName, log: log, stop: stop)
    catalog = try Catalog(in: output.reserved, exclusive: alone, wait: wait)
    csv = CSVFile(path: csvPath, outputPath: output.path, catalog: catalog, log: log)
    letters = try DeadLetters(topic: topic, settings: deadLetterSettings, reserved: output.reserved, log: log)
    decoder = MessageDecoder(incoming: slot.incoming, segments: output.segments)
    assembler = Assembler(output: output, catalog: catalog, letters: letters)
    try catalog.transaction { try csv.synchronize() }
  }

  /// Messages of partitions whose positions are known, in offset order within each.
  struct Batch {
    let topic: Catalog.Topic
    let messages: [KafkaMessage]
    /// What each partition's position must be in the catalog for the batch to be ours to store.
    let base: [Int32: Catalog.Position?]
  }

  struct Stored {
    /// New images: name, bytes, and when it was sent, in ms since 1970, where its message says so.
    var images: [(name: String, bytes: Int, sent: Int64?)] = []
    /// Images that were there already, the same to the byte.
    var unchanged = 0
    var letters = 0
    var positions: [Int32: Catalog.Position] = [:]
  }

  enum Outcome {
    case stored(Stored)
    /// Another consumer has moved a position, or has found the topic to be made anew: read the catalog again.
    case fenced
    /// `whileWaiting` said so.
    case givenUp
  }

  /// - Parameter whileWaiting: called while another consumer holds the lock; returns false to give the batch up.
  /// - Throws: what the system is at fault for (a full disk); the same batch can be tried again.
  func store(_ batch: Batch, whileWaiting: () -> Bool) throws -> Outcome {
    let prepared = try prepare(batch.messages)
    var refused: [DeadLetter] = []
    for (message, result) in zip(batch.messages, prepared) {
      if case .refused(let reason) = result { refused.append(DeadLetter(message: message, reason: reason)) }
    }
    try letters.deliver(refused)
    while try !catalog.database.tryBegin() {
      guard whileWaiting() else {
        dropTemporaries(prepared)
        return .givenUp
      }
      try wait.isBusy()
    }
    wait.isOver()
    do {
      guard try isOurs(batch) else {
        catalog.database.rollback()
        dropTemporaries(prepared)
        return .fenced
      }
      FaultPoint.lockTaken.reached()
      var stored = Stored()
      stored.letters = refused.count
      var leftovers: [String] = []
      for (message, result) in zip(batch.messages, prepared) {
        try apply(result, message, batch.topic, &stored, &leftovers)
        stored.positions[message.partition] = Catalog.Position(next: message.offset + 1, last: message.mark)
      }
      try output.syncTouched()
      FaultPoint.foldersSynced.reached()
      try csv.synchronize()
      for (partition, position) in stored.positions {
        try catalog.set(position, batch.topic, partition: partition)
      }
      FaultPoint.positionsRecorded.reached()
      try catalog.database.commit()
      FaultPoint.transactionCommitted.reached()
      // It is stored, whatever becomes of these: the next start removes them.
      for name in leftovers { try? output.segments.remove(name) }
      dropTemporaries(prepared)
      return .stored(stored)
    } catch {
      catalog.database.rollback()
      throw error
    }
  }

  private func prepare(_ messages: [KafkaMessage]) throws -> [Prepared] {
    let together = messages.count >= Self.fewFiles && output.fileSystem.syncsAsAWhole
    let results = ResultSlots<Prepared>(count: messages.count)
    try parallel(messages.count, threads: together ? Self.decodingThreads : Self.syncingThreads) { [decoder] number in
      results[number] = try decoder.prepare(messages[number], number: number, syncing: !together)
    }
    if together { try output.root.syncFileSystem() }
    FaultPoint.temporariesSynced.reached()
    return results.all
  }

  /// Images that were there already, could not be had under their name, or were another consumer's to store.
  private func dropTemporaries(_ prepared: [Prepared]) {
    for case .image(let image) in prepared { try? slot.incoming.remove(image.temporary) }
  }

  private func isOurs(_ batch: Batch) throws -> Bool {
    guard try catalog.generation(of: batch.topic) == batch.topic.generation else { return false }
    for (partition, position) in batch.base {
      guard try catalog.position(batch.topic, partition: partition) == position else { return false }
    }
    return true
  }

  private func apply(
    _ result: Prepared, _ message: KafkaMessage, _ topic: Catalog.Topic, _ stored: inout Stored,
    _ leftovers: inout [String]
  ) throws {
    do {
      switch result {
      case .refused: break
      case .image(let image):
        if try isThere(image.name, image.digest) {
          stored.unchanged += 1
        } else {
          let status = try output.place(image.temporary, in: slot.incoming, as: image.name)
          FaultPoint.imageRenamed.reached()
          try record(image.name, image.digest, image.probe, status, message)
          stored.images.append((image.name.value, image.size, message.timestamp))
        }
      case .part(let part):
        let fileName = Catalog.Assembly.fileName(segmentID: part.segment.id, count: part.segment.count)
        if try catalog.assembly(segmentID: part.segment.id, count: part.segment.count) == nil,
          try isThere(part.name, part.digest)
        {
          // A re-sent part of an image that is complete.
          if part.segment.index == part.segment.count - 1 { stored.unchanged += 1 }
          leftovers.append(fileName)
          return
        }
        switch try assembler.add(part, message, topic) {
        case .incomplete: FaultPoint.segmentRecorded.reached()
        case .complete(let probe, let status, let done):
          try record(part.name, part.digest, probe, status, message)
          stored.images.append((part.name.value, part.length, message.timestamp))
          leftovers += done
        case .buried(let count, let done):
          stored.letters += count
          leftovers += done
        }
      }
    } catch let refusal as ImageName.Refusal {
      let reason = BadMessage(stage: .storing, kind: "NameRefusal", description: refusal.description)
      try letters.deliver([DeadLetter(message: message, reason: reason)])
      stored.letters += 1
    }
  }

  /// True where the very same image stands under the name, as the catalog and the disk have it.
  private func isThere(_ name: ImageName, _ digest: Digest) throws -> Bool {
    guard let entry = try catalog.entry(name.value), entry.digest == digest, let status = try output.status(name),
      status.size == entry.size
    else { return false }
    if status.modified == entry.modified, status.inode == entry.inode { return true }
    // Moved, restored or altered: its bytes decide.
    guard let file = try output.openFile(name), try file.digest() == digest else { return false }
    try catalog.set(Catalog.Entry(digest, status), name: name.value)
    return true
  }

  private func record(
    _ name: ImageName, _ digest: Digest, _ probe: ImageProbe, _ status: FileStatus, _ message: KafkaMessage
  ) throws {
    let isRestored = try catalog.entry(name.value)?.digest == digest
    try catalog.set(Catalog.Entry(digest, status), name: name.value)
    // A file that was removed by hand and came again has its row.
    guard !isRestored else { return }
    try catalog.append(
      StoredRow(
        filePath: output.filePath(name), label: name.label, digest: digest, size: status.size, format: probe.format,
        width: probe.width, height: probe.height, topic: message.topic, partition: message.partition,
        offset: message.offset, sentTime: message.timestamp, storedTime: Clock.wallMilliseconds))
  }
}

extension Catalog.Entry {
  init(_ digest: Digest, _ status: FileStatus) {
    self.init(digest: digest, size: status.size, modified: status.modified, inode: status.inode)
  }
}

extension KafkaMessage {
  var mark: Catalog.Mark {
    Catalog.Mark(
      offset: offset, timestamp: timestamp, key: SHA256.hash(key ?? UnsafeRawBufferPointer(start: nil, count: 0)))
  }
}

/// Results that several threads write, each its own.
private final class ResultSlots<Element: Sendable>: @unchecked Sendable {
  private let slots: UnsafeMutableBufferPointer<Element?>

  init(count: Int) {
    slots = .allocate(capacity: count)
    slots.initialize(repeating: nil)
  }

  subscript(_ number: Int) -> Element {
    get { slots[number]! }
    set { slots[number] = newValue }
  }

  var all: [Element] { slots.map { $0! } }

  deinit {
    slots.deinitialize()
    slots.deallocate()
  }
}
