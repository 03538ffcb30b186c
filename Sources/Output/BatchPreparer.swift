import Messaging
package import Platform

/// Prepares batches, as far as that is possible without the catalog: writes the messages' bytes to files, verifies them
/// and syncs them. While one batch is stored, which is mostly waiting for the disk, the next one is prepared.
final class BatchPreparer: Sendable {
  private let decoder: MessageDecoder
  private let incoming: Folder
  private let segments: Folder
  private let root: Folder
  private let syncsAsAWhole: Bool
  /// Batches are written one at a time. While one is synced, which is waiting, the next one is written.
  private let writing = Turnstile()

  /// Below this number of files, syncing each of them costs less than syncing the whole file system, which also waits
  /// for what other programs wrote.
  private static let fewFiles = 32
  private static let decodingThreads = 2
  /// Syncing files one by one is mostly waiting, so more threads than processors are useful.
  private static let syncingThreads = 16

  init(_ output: OutputFolder, incoming: Folder) {
    decoder = MessageDecoder(output.segments)
    self.incoming = incoming
    segments = output.segments.folder
    root = output.root
    syncsAsAWhole = output.fileSystem.syncsAsAWhole
  }

  /// Starts to prepare a batch, on a thread of its own. When it is over, the files are synced. It throws `SystemError` if the
  /// system is at fault.
  /// - Parameters:
  ///   - settled: true for messages that are skipped, because their outcome is known.
  ///   - releasing: frees the content of messages that are in files by then; see `Message.releaseContent`.
  ///     Nothing is freed if writing a file fails.
  func begin(_ messages: [any Message], _ settled: [Bool], releasing: Bool) -> Preparation {
    let number = writing.number()
    return Preparation { [self] in try prepare(messages, settled, number, releasing: releasing) }
  }

  private func prepare(
    _ messages: [any Message], _ settled: [Bool], _ number: Int, releasing: Bool
  ) throws -> [Prepared] {
    let together = messages.count >= Self.fewFiles && syncsAsAWhole
    let results = ResultSlots<MessageDecoder.Written>(count: messages.count)
    // The batch's number makes the names unique: the files of earlier batches are still waiting to be renamed.
    let name = { @Sendable (index: Int) in "\(number)-\(index).part" }
    var isPrepared = false
    // Otherwise, each attempt on a full disk would leave some files.
    defer { if !isPrepared { for index in messages.indices { try? incoming.remove(name(index)) } } }
    try writing.pass(number) {
      try parallel(messages.count, threads: Self.decodingThreads) { [decoder, incoming] index in
        var written =
          settled[index]
          ? MessageDecoder.Written(prepared: .settled)
          : try decoder.prepare(messages[index]) { try Self.write($0, to: name(index), in: incoming) }
        if together { written.file = nil }
        results[index] = written
      }
    }
    if releasing { Self.release(messages, results.all) }
    if together {
      try root.syncFileSystem()
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

  private static func write(
    _ bytes: UnsafeRawBufferPointer, to name: String, in incoming: Folder
  ) throws -> (kept: any KeptImage, file: File?) {
    let file = try incoming.file(name, .createEmpty)
    try file.write(bytes, at: 0)
    FaultPoint.temporaryWritten.reached()
    return (IncomingFile(name: name, status: try file.status()), file)
  }

  /// Frees the content of messages that are in files. Dead letters need the content of the others.
  private static func release(_ messages: [any Message], _ results: [MessageDecoder.Written]) {
    for (message, result) in zip(messages, results) {
      switch result.prepared {
      case .image, .part: message.releaseContent()
      case .refused, .settled: break
      }
    }
  }

  /// Removes the files of images that were already stored, were refused under their name, or are another consumer's to
  /// store.
  func drop(_ prepared: ArraySlice<Prepared>) {
    for case .image(let image) in prepared { try? incoming.remove((image.kept as! IncomingFile).name) }
  }
}

/// A batch that is being prepared.
package typealias Preparation = BackgroundTask<[Prepared]>
