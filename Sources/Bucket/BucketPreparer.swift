import Messaging
import Output
import Platform
import Synchronization
import Wire

/// Prepares batches for a bucket: images are decoded in memory, and sent. Images in segments are sent from their file as soon
/// as it is complete. While one batch is sent, which is mostly waiting, the next one is decoded.
final class BucketPreparer: Sendable {
  private let decoder: MessageDecoder
  private let segments: SegmentFiles
  private let runs = SegmentRuns()
  private let uploads: Uploads
  /// Batches are decoded one at a time.
  private let decoding = Turnstile()
  private let order = NameOrder()
  private let late = LateNames()
  /// Whether a batch could not be prepared. Those after it must not be sent: they would be compared with objects that lack
  /// the failed batch's versions.
  private let hasFailed = Mutex(false)

  private static let decodingThreads = 2

  init(_ segments: SegmentFiles, _ uploads: Uploads) {
    decoder = MessageDecoder(segments)
    self.segments = segments
    self.uploads = uploads
  }

  var mustReadAgain: Bool { hasFailed.withLock { $0 } }

  /// Every batch that was begun has ended, and none of them is stored.
  func restart() {
    hasFailed.withLock { $0 = false }
    runs.clear()
    late.clear()
  }

  /// These are not stored. Their messages may be another consumer's by now.
  func drop(_ prepared: ArraySlice<Prepared>) { if prepared.contains(where: { $0.part != nil }) { runs.clear() } }

  /// The messages up to these positions are in the log.
  func stored(_ positions: [Int32: Catalog.Position]) { late.stored(positions) }

  /// - Parameter plan: how the images are to be stored.
  func begin(_ batch: ImageStore.Batch, _ plan: UploadPlan, releasing: Bool) -> Preparation {
    let (messages, number) = (batch.messages, decoding.number())
    let settled = messages.map { batch.isSettled($0) }
    return Preparation { [self] in
      let results = try prepare(messages, settled, number, plan)
      if releasing { Self.release(messages, results) }
      return results
    }
  }

  private func prepare(
    _ messages: [any Message], _ settled: [Bool], _ number: Int, _ plan: UploadPlan
  ) throws -> [Prepared] {
    let results = ResultSlots<Prepared>(count: messages.count)
    let (ahead, turn) = try decoding.pass(number) {
      try inOrder {
        try parallel(messages.count, threads: Self.decodingThreads) { index in
          results[index] = settled[index] ? .settled : try decode(messages[index])
        }
        let ahead = try selectAhead(results, messages, number)
        let names = Set(ahead.compactMap { results[$0].image?.name.bytes })
        let looks = Set(ahead.compactMap { results[$0].part }.filter { $0.segment.index == 0 }.map(\.name.bytes))
        return (ahead, order.turn(for: names, lookingAt: looks))
      }
    }
    let prepared = try order.take(turn) { try inOrder { try uploads.run(results.all, ahead, messages, plan) } }
    FaultPoint.imagesUploaded.reached()
    return prepared
  }

  /// Runs a step of a batch, unless one before it has failed.
  private func inOrder<T>(_ step: () throws -> T) throws -> T {
    if mustReadAgain { throw EarlierBatchFailed() }
    do { return try step() } catch {
      hasFailed.withLock { $0 = true }
      throw error
    }
  }

  /// Finds the images whose last segment is in this batch.
  /// - Returns: the indices of the messages that are dealt with before the transaction. The others are left to it.
  private func selectAhead(
    _ results: ResultSlots<Prepared>, _ messages: [any Message], _ batch: Int
  ) throws -> [Int] {
    let unknown = try assemble(results, messages, batch)
    var ahead: [Int] = []
    for (index, message) in messages.enumerated() {
      let (isKnown, part) = (!unknown.contains(index), results[index].part)
      let isAhead =
        if let name = results[index].image?.name ?? (isKnown ? nil : part?.name) {
          late.mayPrecede(name, message.partition, message.offset, isKnown: isKnown)
        } else {
          part.map { !late.contains($0.name, message.partition) } ?? false
        }
      if isAhead { ahead.append(index) } else { results[index].leaveAssembled() }
    }
    return ahead
  }

  /// - Returns: the indices of parts of which only the transaction knows whether they complete an image.
  private func assemble(
    _ results: ResultSlots<Prepared>, _ messages: [any Message], _ batch: Int
  ) throws -> Set<Int> {
    let parts = results.all.map(\.part)
    let created = Set(parts.compactMap { $0?.hasCreatedFile == true ? $0?.segment.file : nil })
    let progress = zip(parts, messages).map { part, message in
      part.map { runs.add($0, of: message.partition, batch: batch, isNew: created.contains($0.segment.file)) }
    }
    let complete = progress.indices.filter { progress[$0] == .complete }
    try parallel(complete.count, threads: Self.decodingThreads) { [segments] number in
      guard var part = results[complete[number]].part else { return }
      part.image = try segments.verified(part)?.prepared
      results[complete[number]] = .part(part)
    }
    return Set(progress.indices.filter { progress[$0] == .unknown })
      .union(complete.filter { results[$0].image == nil })
  }

  private func decode(_ message: any Message) throws -> Prepared {
    let result = try decoder.prepare(message) { (DecodedImage(bytes: Array($0)), nil) }.prepared
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
