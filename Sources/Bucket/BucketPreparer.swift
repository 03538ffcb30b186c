import Messaging
import Output
import Platform
import Synchronization
import Wire

/// Prepares batches for a bucket: images are decoded in memory, and sent. Images in segments are sent from their file as soon
/// as it is complete. While one batch is sent, which is mostly waiting, the next one is decoded.
final class BucketPreparer: Sendable {
  private struct State {
    /// Counts the restarts. Nothing that was begun before the last one is stored.
    var epoch = 0
    /// Whether a batch could not be prepared. Those after it must not be sent: they would be compared with objects that lack
    /// the failed batch's versions.
    var hasFailed = false
    var runs = SegmentRuns()
    var late = LateNames()
  }

  private let decoder: MessageDecoder
  private let segments: SegmentFiles
  private let uploads: Uploads
  /// Batches are decoded one at a time.
  private let decoding = Turnstile()
  private let order = NameOrder()
  private let state = Mutex(State())

  private static let decodingThreads = 2
  /// The most images in segments that a batch sends ahead. Each is an open file.
  private static let mostAssembled = 32

  init(_ segments: SegmentFiles, _ uploads: Uploads) {
    decoder = MessageDecoder(segments)
    self.segments = segments
    self.uploads = uploads
  }

  var mustReadAgain: Bool { state.withLock { $0.hasFailed } }

  /// No batch that was begun is stored from now on.
  func restart() { state.withLock { $0 = State(epoch: $0.epoch + 1) } }

  /// These messages are not stored with the batch that they were prepared for. Later segments must not continue their images.
  func drop(_ prepared: ArraySlice<Prepared>) {
    if prepared.contains(where: { $0.part != nil }) { state.withLock { $0.runs.endAll() } }
  }

  /// The messages up to these positions are in the log.
  func stored(_ positions: [Int32: Catalog.Position]) {
    state.withLock { state in
      state.runs.stored(positions)
      state.late.stored(positions)
    }
  }

  /// - Parameter plan: how the images are to be stored.
  func begin(_ batch: ImageStore.Batch, _ plan: UploadPlan, releasing: Bool) -> Preparation {
    let (messages, number) = (batch.messages, decoding.number())
    let settled = messages.map { batch.isSettled($0) }
    let epoch = state.withLock { $0.epoch }
    return Preparation { [self] in
      let results = try prepare(messages, settled, number, plan, epoch)
      if releasing { Self.release(messages, results) }
      return results
    }
  }

  private func prepare(
    _ messages: [any Message], _ settled: [Bool], _ number: Int, _ plan: UploadPlan, _ epoch: Int
  ) throws -> [Prepared] {
    let results = ResultSlots<Prepared>(count: messages.count)
    let (ahead, turn) = try decoding.pass(number) {
      try inOrder(epoch) {
        try parallel(messages.count, threads: Self.decodingThreads) { index in
          results[index] = settled[index] ? .settled : try decode(messages[index])
        }
        let ahead = try select(results, messages, number, epoch)
        return (ahead, order.turn(for: ahead.names(results.all), lookingAt: ahead.namesToLookAt))
      }
    }
    // Others wait for the answers.
    defer { for look in ahead.looks { look.answer.set(.failed) } }
    let prepared = try order.take(turn) { try inOrder(epoch) { try uploads.run(results.all, ahead, messages, plan) } }
    FaultPoint.imagesUploaded.reached()
    return prepared
  }

  /// Runs a step of a batch, unless one before it has failed.
  private func inOrder<T>(_ epoch: Int, _ step: () throws -> T) throws -> T {
    try current(epoch) { if $0.hasFailed { throw EarlierBatchFailed() } }
    do { return try step() } catch {
      state.withLock { if $0.epoch == epoch { $0.hasFailed = true } }
      throw error
    }
  }

  private func current<T: Sendable>(_ epoch: Int, _ body: (inout State) throws -> T) throws -> T {
    try state.withLock { state in
      guard state.epoch == epoch else { throw EarlierBatchFailed() }
      return try body(&state)
    }
  }

  /// Decides which messages are handled before the transaction.
  private func select(
    _ results: ResultSlots<Prepared>, _ messages: [any Message], _ number: Int, _ epoch: Int
  ) throws -> SentAhead {
    let progress = try follow(results.all, messages, number, epoch)
    try assemble(results, progress)
    let all = results.all
    let ahead = try current(epoch) { SentAhead(all, progress, messages, &$0.late) }
    for index in messages.indices where !ahead.images.contains(index) { results[index].leaveAssembled() }
    return ahead
  }

  /// - Returns: for each part, how far its image is.
  private func follow(
    _ results: [Prepared], _ messages: [any Message], _ number: Int, _ epoch: Int
  ) throws -> [SegmentRuns.Progress?] {
    let created = Set(results.compactMap(\.part).filter(\.hasCreatedFile).map(\.segment.file.name))
    return try current(epoch) { state in
      zip(results, messages).map { result, message in
        switch result {
        case .image(let image):
          state.runs.end(ImageKey(image.name, message.partition))
          return nil
        case .part(let part):
          let place = SegmentRuns.Place(partition: message.partition, offset: message.offset)
          return state.runs.add(part, at: place, batch: number, isNew: created.contains(part.segment.file.name))
        case .settled:
          // This message may give up an image whose earlier segments have arrived.
          state.runs.endAll()
          return nil
        case .refused: return nil
        }
      }
    }
  }

  /// Verifies the images whose last segment is in this batch.
  private func assemble(_ results: ResultSlots<Prepared>, _ progress: [SegmentRuns.Progress?]) throws {
    let complete = progress.indices.filter { if case .complete = progress[$0] { true } else { false } }
    try parallel(min(complete.count, Self.mostAssembled), threads: Self.decodingThreads) { [segments] number in
      guard var part = results[complete[number]].part else { return }
      part.image = try segments.verified(part)?.prepared
      results[complete[number]] = .part(part)
    }
  }

  private func decode(_ message: any Message) throws -> Prepared {
    let result = try decoder.prepare([message]) { (DecodedImage(bytes: Array($1)), nil) }[0].prepared
    let name: ImageName? =
      switch result {
      case .image(let image): image.name
      case .part(let part): part.name
      case .refused, .settled: nil
      }
    return name?.refusalAsKey.map { .refused(BadMessage($0)) } ?? result
  }

  /// Frees the content of messages that is not needed any more. Dead letters need that of the others.
  private static func release(_ messages: [any Message], _ results: [Prepared]) {
    for (message, result) in zip(messages, results) {
      switch result {
      case .image, .part: message.releaseContent()
      case .refused, .settled: break
      }
    }
  }
}

extension ImageName {
  /// Why it cannot be a key; nil if it can. Some stores take a backslash for a slash: no name may lead to an object of the
  /// log there, or out of the prefix.
  var refusalAsKey: Refusal? {
    let slash = UInt8(ascii: "/")
    let resolved = String(decoding: value.utf8.map { $0 == UInt8(ascii: "\\") ? slash : $0 }, as: UTF8.self)
    do {
      _ = try ImageName(resolved)
      return nil
    } catch {
      return Refusal(name: value, reason: "a store may take its backslashes for slashes, and then \(error.reason)")
    }
  }
}

/// A batch was not prepared, because one before it could not be.
struct EarlierBatchFailed: ClassifiedError, CustomStringConvertible {
  var disposition: Disposition { .transient }
  var description: String { "a batch before this one could not be sent to the store; its messages are read again" }
}
