import Messaging
import Output
import Platform
import Synchronization
import Wire

/// Prepares batches for a bucket: images are decoded in memory, and sent. While one batch is sent, which is mostly
/// waiting, the next one is decoded.
final class BucketPreparer: Sendable {
  private let decoder: MessageDecoder
  private let uploads: Uploads
  /// Batches are decoded one at a time.
  private let decoding = Turnstile()
  private let order = NameOrder()
  /// Whether a batch could not be prepared. Those after it must not be sent: they would be compared with objects that lack
  /// the failed batch's versions.
  private let hasFailed = Mutex(false)

  private static let decodingThreads = 2

  init(_ segments: SegmentFiles, _ uploads: Uploads) {
    decoder = MessageDecoder(segments)
    self.uploads = uploads
  }

  var mustReadAgain: Bool { hasFailed.withLock { $0 } }

  /// Every batch that was begun has ended, and none of them is stored.
  func restart() { hasFailed.withLock { $0 = false } }

  /// - Parameters:
  ///   - plan: how the images are to be stored.
  ///   - own: counts the preparations that were begun.
  func begin(_ batch: ImageStore.Batch, _ plan: UploadPlan, number own: Int, releasing: Bool) -> Preparation {
    let (messages, number) = (batch.messages, decoding.number())
    let settled = messages.map { batch.isSettled($0) }
    return Preparation { [self] in
      let results = try prepare(messages, settled, number, plan, own)
      if releasing { Self.release(messages, results) }
      return results
    }
  }

  private func prepare(
    _ messages: [any Message], _ settled: [Bool], _ number: Int, _ plan: UploadPlan, _ own: Int
  ) throws -> [Prepared] {
    let results = ResultSlots<Prepared>(count: messages.count)
    let turn = try decoding.pass(number) {
      try inOrder {
        try parallel(messages.count, threads: Self.decodingThreads) { index in
          results[index] = settled[index] ? .settled : try decode(messages[index])
        }
        return order.turn(for: Set(results.all.compactMap(\.name)))
      }
    }
    let prepared = try order.take(turn) { try inOrder { try uploads.run(results.all, messages, plan, number: own) } }
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
