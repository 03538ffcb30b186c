import Messaging
import Output
import Platform
import S3
import Wire

/// Prepares batches for a bucket: images are decoded in memory, and sent. While one batch is sent, which is mostly
/// waiting, the next one is decoded.
final class BucketPreparer: Sendable {
  private let decoder: MessageDecoder
  private let uploads: Uploads
  /// Batches are decoded one at a time.
  private let decoding = Turnstile()
  private let order = NameOrder()

  private static let decodingThreads = 2

  init(_ segments: SegmentFiles, _ uploads: Uploads) {
    decoder = MessageDecoder(segments)
    self.uploads = uploads
  }

  /// - Parameter plan: how the images are to be stored.
  func begin(_ batch: ImageStore.Batch, _ plan: UploadPlan, releasing: Bool) -> Preparation {
    let (messages, number) = (batch.messages, decoding.number())
    return Preparation { [self] in
      let results = try prepare(messages, messages.map { _ in false }, number, plan)
      if releasing { Self.release(messages, results) }
      return results
    }
  }

  func prepare(_ batch: ImageStore.Batch, _ plan: UploadPlan) throws -> [Prepared] {
    try prepare(batch.messages, batch.messages.map { batch.isSettled($0) }, decoding.number(), plan)
  }

  private func prepare(
    _ messages: [any Message], _ settled: [Bool], _ number: Int, _ plan: UploadPlan
  ) throws -> [Prepared] {
    let results = ResultSlots<Prepared>(count: messages.count)
    let turn = try decoding.pass(number) {
      try parallel(messages.count, threads: Self.decodingThreads) { [decoder] index in
        results[index] =
          settled[index]
          ? .settled : try decoder.prepare(messages[index]) { (DecodedImage(bytes: Array($0)), nil) }.prepared
      }
      return order.turn(for: Set(results.all.compactMap(\.name)))
    }
    let prepared = try order.take(turn) { try uploads.run(results.all, messages, plan) }
    FaultPoint.imagesUploaded.reached()
    return prepared
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
