import Messaging
package import Platform
import Synchronization

/// Prepares batches, as far as that is possible without the catalog: writes the messages' bytes to files, verifies them
/// and syncs them. While one batch is stored, which is mostly waiting for the disk, the next one is prepared.
final class BatchPreparer: Sendable {
  private let decoder: MessageDecoder
  private let incoming: Folder
  /// nil: files have names in `incoming` from the beginning.
  private let unnamed: UnnamedFiles?
  private let segments: Folder
  private let groupSync: GroupSync
  private let syncsAsAWhole: Bool
  /// Batches are written one at a time. While one is synced, which is waiting, the next one is written.
  private let writing = Turnstile()

  /// Preparations that have begun and are not over.
  private let inProgress = Atomic<Int>(0)
  /// Limits the batches whose files are synced one by one: they keep their files open, and each has its own threads.
  private let fileByFile = Gate(limit: 4)

  /// Below this number of files, syncing each of them costs less than syncing the whole file system, which also waits
  /// for what other programs wrote. That does not hold while there are more batches, which share one sync.
  private static let fewFiles = 16
  private static let decodingThreads = 2
  /// Syncing files one by one is mostly waiting, so more threads than processors are useful.
  private static let syncingThreads = 16

  init(_ output: OutputFolder, incoming: Folder) throws {
    decoder = MessageDecoder(output.segments)
    self.incoming = incoming
    unnamed = try UnnamedFiles(in: incoming)
    segments = output.segments.folder
    groupSync = output.groupSync
    syncsAsAWhole = output.fileSystem.syncsAsAWhole
  }

  /// Starts to prepare a batch, on a thread of its own. When it is over, the files are synced. It throws `SystemError` if the
  /// system is at fault. Messages whose outcome is known are skipped.
  /// - Parameter releasing: frees the content of messages that are in files by then; see `Message.releaseContent`.
  ///   Nothing is freed if writing a file fails.
  func begin(_ batch: ImageStore.Batch, releasing: Bool) -> Preparation {
    let number = writing.number()
    let (messages, settled) = (batch.messages, batch.messages.map { batch.isSettled($0) })
    let isBacklog = inProgress.add(1, ordering: .relaxed).oldValue > 0
    return Preparation { [self, memory = batch.memory] in
      defer { inProgress.subtract(1, ordering: .relaxed) }
      return try prepare(
        messages, settled, number, isBacklog: isBacklog, releasing: releasing ? { memory?.free($0) } : nil)
    }
  }

  /// - Parameters:
  ///   - isBacklog: whether other batches are being prepared.
  ///   - releasing: called with the bytes of the messages whose content is freed; nil: none is freed.
  private func prepare(
    _ messages: [any Message], _ settled: [Bool], _ number: Int, isBacklog: Bool, releasing: ((Int) -> Void)?
  ) throws -> [Prepared] {
    let areMany = messages.count >= Self.fewFiles
    let together = syncsAsAWhole && (areMany || isBacklog)
    let beforeWriting = groupSync.mark()
    let results = ResultSlots<MessageDecoder.Written>(count: messages.count)
    // The batch's number makes the names unique: the files of earlier batches are still waiting to be renamed.
    let name = { @Sendable (index: Int) in "\(number)-\(index).part" }
    var isPrepared = false
    // Otherwise, each attempt on a full disk would leave some files.
    defer { if !isPrepared { for index in messages.indices { try? incoming.remove(name(index)) } } }
    for index in messages.indices where settled[index] { results[index] = MessageDecoder.Written(prepared: .settled) }
    let left = messages.indices.filter { !settled[$0] }
    var hasSlot = false
    defer { if hasSlot { fileByFile.release(1) } }
    try writing.pass(number) {
      if !together { hasSlot = fileByFile.acquire(1, timeout: nil) }
      // Two at a time, because the hashes of two images are computed together.
      try parallel((left.count + 1) / 2, threads: Self.decodingThreads) { [self] pair in
        let indices = Array(left[(2 * pair)...].prefix(2))
        let written = try decoder.prepare(indices.map { messages[$0] }) { place, bytes in
          try write(bytes, to: name(indices[place]), unnamed: together && areMany)
        }
        for (index, var written) in zip(indices, written) {
          if together { written.file = nil }
          results[index] = written
        }
      }
    }
    if let releasing { releasing(Self.release(messages, results.all)) }
    if together {
      try groupSync.sync(since: beforeWriting)
    } else {
      try parallel(messages.count, threads: Self.syncingThreads) { index in
        try results[index].file?.sync()
        results[index].file = nil
      }
      if results.all.contains(where: { if case .part = $0.prepared { true } else { false } }) {
        // The file keeps this name until its image is complete, so the name must be durable.
        try segments.sync()
      }
    }
    isPrepared = true
    FaultPoint.temporariesSynced.reached()
    return results.all.map(\.prepared)
  }

  private func write(
    _ bytes: UnsafeRawBufferPointer, to name: String, unnamed isUnnamed: Bool
  ) throws -> (kept: any KeptImage, file: File?) {
    let unnamed = isUnnamed ? try unnamed?.create() : nil
    let file = try unnamed?.file ?? incoming.file(name, .createEmpty)
    try file.write(bytes, at: 0)
    FaultPoint.temporaryWritten.reached()
    return (IncomingImage(file: TemporaryFile(name, in: incoming, try file.status(), unnamed: unnamed)), file)
  }

  /// Frees the content of messages that are in files. Dead letters need the content of the others.
  /// - Returns: the bytes of these messages.
  private static func release(_ messages: [any Message], _ results: [MessageDecoder.Written]) -> Int {
    var bytes = 0
    for (message, result) in zip(messages, results) {
      switch result.prepared {
      case .image, .part:
        message.releaseContent()
        bytes += message.size
      case .refused, .settled: break
      }
    }
    return bytes
  }

  /// Removes the files of images that were already stored, were refused under their name, or are another consumer's to
  /// store.
  func drop(_ prepared: ArraySlice<Prepared>) {
    for case .image(let image) in prepared { (image.kept as! IncomingImage).file.remove() }
  }
}

/// A verified image in a temporary file.
struct IncomingImage: KeptImage {
  let file: TemporaryFile
}

/// A batch that is being prepared.
package typealias Preparation = BackgroundTask<[Prepared]>
