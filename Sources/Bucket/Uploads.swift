import Messaging
import Output
import Platform
import S3
import Wire

/// How the images of a batch are to be stored.
struct UploadPlan: Sendable {
  let cluster: String
  let generation: Int64
  let sameName: SameName
  /// The offset of each partition up to which its messages are in the log, as far as this consumer knows.
  let committed: [Int32: Int64]

  /// The names that an image may be stored under, in this order.
  func names(_ name: ImageName, _ digest: Digest) -> [ImageName] {
    sameName == .keepBoth ? [name] + name.alternatives(digest) : [name]
  }

  func version(_ digest: Digest, _ message: any Message) -> ImageObject.Version {
    ImageObject.Version(digest: digest, origin: ImageOrigin(message, cluster: cluster, generation: generation))
  }
}

/// Sends images to the bucket.
final class Uploads: Sendable {
  let client: any S3Requests
  let layout: BucketLayout

  init(_ client: any S3Requests, _ layout: BucketLayout) {
    self.client = client
    self.layout = layout
  }

  /// Sends images of a batch, and looks for those whose first segment is in it. Of several versions of an image only the
  /// newest is sent.
  /// - Returns: the same results, with what became of each image.
  func run(
    _ results: [Prepared], _ ahead: SentAhead, _ messages: [any Message], _ plan: UploadPlan
  ) throws -> [Prepared] {
    var finished = results
    let names = ahead.names(results)
    // Within the batch, a look waits only for an upload of its name.
    let looking = ask(ahead.looks.filter { !names.contains($0.part.name.bytes) }, plan)
    let sent = Result { try send(&finished, ahead, messages, plan) }
    try looking?.finish()
    try sent.get()
    try answer(ahead.looks.filter { names.contains($0.part.name.bytes) }, plan)
    for (index, look) in ahead.answers {
      switch look.wait() {
      case .stored: finished[index].note(isStored: true)
      case .notStored: if results[index].part?.segment.index == 0 { finished[index].note(isStored: false) }
      case .left, .failed: break
      }
    }
    return finished
  }

  private func send(
    _ results: inout [Prepared], _ ahead: SentAhead, _ messages: [any Message], _ plan: UploadPlan
  ) throws {
    let images = try ahead.images.filter { index in
      switch ahead.answers[index]?.wait() {
      case .failed: throw EarlierBatchFailed()
      case .stored: return false
      case .notStored, .left, nil: return true
      }
    }
    for index in ahead.images.subtracting(images) { results[index].leaveAssembled() }
    let lists = Self.versions(results, images.sorted(), messages)
    let done = try UploadRounds(client: client).run(lists.map { uploads(of: $0, results, messages, plan) })
    for (indices, sent) in zip(lists, done) {
      if indices.count > 1, plan.sameName == .replace, sent[0].refusal != nil {
        // The store refuses the newest version, and may accept the others.
        for index in indices {
          let alone = uploads(of: [index], results, messages, plan)
          place([index], try UploadRounds(client: client).run([alone])[0], &results, plan)
        }
      } else {
        place(indices, sent, &results, plan)
      }
    }
  }

  private func place(_ indices: [Int], _ uploads: [ImageUpload], _ results: inout [Prepared], _ plan: UploadPlan) {
    let sizes = indices.map { results[$0].image!.size }
    let placements =
      plan.sameName == .keepBoth
      ? zip(uploads, sizes).map { $0.placements([$1])[0] } : uploads[0].placements(sizes)
    for (index, placement) in zip(indices, placements) { results[index].place(placement) }
  }

  /// The indices of each image's versions, in the order of the messages. There is no order between partitions.
  private static func versions(_ results: [Prepared], _ images: [Int], _ messages: [any Message]) -> [[Int]] {
    var lists: [ImageKey: [Int]] = [:]
    for index in images {
      guard let name = results[index].image?.name else { continue }
      lists[ImageKey(name, messages[index].partition), default: []].append(index)
    }
    return Array(lists.values)
  }

  private func uploads(
    of indices: [Int], _ results: [Prepared], _ messages: [any Message], _ plan: UploadPlan
  ) -> [ImageUpload] {
    let images = indices.map { results[$0].image! }
    let versions = zip(indices, images).map { plan.version($1.digest, messages[$0]) }
    switch plan.sameName {
    case .replace:
      let last = indices.count - 1
      return [upload(images[last], versions, of: messages[indices[last]], plan)]
    case .keepBoth:
      return indices.indices.map { upload(images[$0], [versions[$0]], of: messages[indices[$0]], plan) }
    }
  }

  private func upload(
    _ image: PreparedImage, _ versions: [ImageObject.Version], of message: any Message, _ plan: UploadPlan
  ) -> ImageUpload {
    ImageUpload(
      plan.names(image.name, image.digest), versions, (image.kept as! any UnsentImage).body,
      type: image.probe.mediaType, committed: plan.committed[message.partition] ?? 0, layout)
  }

  /// Sends one image.
  /// - Parameter whileWaiting: called periodically; throws to give up.
  func run(
    _ image: PreparedImage, _ message: any Message, _ plan: UploadPlan, whileWaiting: () throws -> Void
  ) throws -> Placement {
    let upload = upload(image, [plan.version(image.digest, message)], of: message, plan)
    return try UploadRounds(client: client).run([[upload]], whileWaiting: whileWaiting)[0][0].placements([image.size])[
      0]
  }
}

extension ImageProbe {
  /// For `Content-Type`. Only what browsers show: anything else is to be downloaded.
  fileprivate var mediaType: String {
    switch format {
    case "jpeg", "png", "gif", "bmp", "webp", "avif", "tiff", "heic", "jxl": "image/" + format
    default: "application/octet-stream"
    }
  }
}
