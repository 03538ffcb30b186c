import Kafka
import Platform
import Synchronization

/// Everything that can be done for a batch without the catalog: its messages' bytes into files, verified and synced.
/// While one batch is stored, which is mostly waiting for the disk, the next is prepared.
final class BatchPreparer: Sendable {
  private let decoder: MessageDecoder
  private let incoming: Folder
  private let segments: Folder
  private let root: Folder
  private let syncsAsAWhole: Bool
  /// One batch after another, each with temporary files of names of its own: those of the one before wait to be renamed.
  private let last = Mutex(0)

  /// Below this many files a sync of each costs less than one of the whole file system, which also waits for what
  /// others wrote there.
  private static let fewFiles = 32
  private static let decodingThreads = 2
  /// Syncing one by one is waiting: more threads than processors.
  private static let syncingThreads = 16

  init(_ output: OutputFolder, incoming: Folder) {
    decoder = MessageDecoder(incoming: incoming, segments: output.segments)
    self.incoming = incoming
    segments = output.segments
    root = output.root
    syncsAsAWhole = output.fileSystem.syncsAsAWhole
  }

  /// - Parameter isSettled: messages that are not looked at, since it is known what becomes of them.
  /// - Throws: `SystemError` where the system is at fault. What is wrong with a message is a result.
  func prepare(_ messages: [KafkaMessage], isSettled: (KafkaMessage) -> Bool = { _ in false }) throws -> [Prepared] {
    let settled = messages.map(isSettled)
    return try last.withLock { last in
      last += 1
      return try prepare(messages, settled, serial: last)
    }
  }

  private func prepare(_ messages: [KafkaMessage], _ settled: [Bool], serial: Int) throws -> [Prepared] {
    let together = messages.count >= Self.fewFiles && syncsAsAWhole
    let results = ResultSlots<MessageDecoder.Written>(count: messages.count)
    let name = { @Sendable (number: Int) in "\(serial)-\(number).part" }
    var isPrepared = false
    // On a disk that is full, each attempt would leave some.
    defer { if !isPrepared { for number in messages.indices { try? incoming.remove(name(number)) } } }
    try parallel(messages.count, threads: Self.decodingThreads) { [decoder] number in
      var written =
        settled[number]
        ? MessageDecoder.Written(prepared: .settled) : try decoder.prepare(messages[number], as: name(number))
      if together { written.file = nil }
      results[number] = written
    }
    if together {
      try root.syncFileSystem()
    } else {
      try parallel(messages.count, threads: Self.syncingThreads) { number in
        try results[number].file?.sync()
        results[number].file = nil
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

  /// Begins it on a thread of its own.
  func begin(_ messages: [KafkaMessage]) -> Preparation { Preparation { [self] in try prepare(messages) } }

  /// Removes the files of images that were there already, could not be had under their name, or were another consumer's to
  /// store.
  func drop(_ prepared: ArraySlice<Prepared>) {
    for case .image(let image) in prepared { try? incoming.remove(image.temporary) }
  }
}

/// A batch that is being prepared.
typealias Preparation = BackgroundTask<[Prepared]>

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
