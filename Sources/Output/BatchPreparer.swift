import Messaging
package import Platform

/// Everything that can be done for a batch without the catalog: its messages' bytes into files, verified and synced.
/// While one batch is stored, which is mostly waiting for the disk, the next is prepared.
final class BatchPreparer: Sendable {
  private let decoder: MessageDecoder
  private let incoming: Folder
  private let segments: Folder
  private let root: Folder
  private let syncsAsAWhole: Bool
  /// Batches are written one after another; while one is synced, which is waiting, the next is written.
  private let writing = Turnstile()

  /// Below this many files a sync of each costs less than one of the whole file system, which also waits for what
  /// others wrote there.
  private static let fewFiles = 32
  private static let decodingThreads = 2
  /// Syncing one by one is waiting: more threads than processors.
  private static let syncingThreads = 16

  init(_ output: OutputFolder, incoming: Folder) {
    decoder = MessageDecoder(incoming: incoming, segments: output.segments, output.segmentWrites)
    self.incoming = incoming
    segments = output.segments
    root = output.root
    syncsAsAWhole = output.fileSystem.syncsAsAWhole
  }

  /// Begins it on a thread of its own.
  /// - Parameter releasing: gives back what is in files by then: see `Message.releaseContent`. Not where it fails because
  ///   something could not be written.
  func begin(_ messages: [any Message], releasing: Bool) -> Preparation {
    let number = writing.number()
    return Preparation { [self] in
      try prepare(messages, [Bool](repeating: false, count: messages.count), number, releasing: releasing)
    }
  }

  /// - Parameter isSettled: messages that are not looked at, since it is known what becomes of them.
  /// - Throws: `SystemError` where the system is at fault. What is wrong with a message is a result.
  func prepare(_ messages: [any Message], isSettled: (any Message) -> Bool) throws -> [Prepared] {
    try prepare(messages, messages.map(isSettled), writing.number(), releasing: false)
  }

  private func prepare(
    _ messages: [any Message], _ settled: [Bool], _ number: Int, releasing: Bool
  ) throws -> [Prepared] {
    let together = messages.count >= Self.fewFiles && syncsAsAWhole
    let results = ResultSlots<MessageDecoder.Written>(count: messages.count)
    // Of names of its own: the files of the batches before wait to be renamed.
    let name = { @Sendable (index: Int) in "\(number)-\(index).part" }
    var isPrepared = false
    // On a disk that is full, each attempt would leave some.
    defer { if !isPrepared { for index in messages.indices { try? incoming.remove(name(index)) } } }
    try writing.pass(number) {
      try parallel(messages.count, threads: Self.decodingThreads) { [decoder] index in
        var written =
          settled[index]
          ? MessageDecoder.Written(prepared: .settled) : try decoder.prepare(messages[index], as: name(index))
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
        // A file that waits for the rest of its image has its name from now on.
        try segments.sync()
      }
    }
    isPrepared = true
    FaultPoint.temporariesSynced.reached()
    return results.all.map(\.prepared)
  }

  /// Letters are made of the rest.
  private static func release(_ messages: [any Message], _ results: [MessageDecoder.Written]) {
    for (message, result) in zip(messages, results) {
      switch result.prepared {
      case .image, .part: message.releaseContent()
      case .refused, .settled: break
      }
    }
  }

  /// Removes the files of images that were there already, could not be had under their name, or were another consumer's to
  /// store.
  func drop(_ prepared: ArraySlice<Prepared>) {
    for case .image(let image) in prepared { try? incoming.remove(image.temporary) }
  }
}

/// A batch that is being prepared.
package typealias Preparation = BackgroundTask<[Prepared]>

/// Results that several threads write, each its own.
private final class ResultSlots<Element: Sendable>: @unchecked Sendable {
  private let slots: UnsafeMutableBufferPointer<Element?>

  init(count: Int) {
    slots = .allocate(capacity: count)
    slots.initialize(repeating: nil)
  }

  subscript(_ index: Int) -> Element {
    get { slots[index]! }
    set { slots[index] = newValue }
  }

  var all: [Element] { slots.map { $0! } }

  deinit {
    slots.deinitialize()
    slots.deallocate()
  }
}
