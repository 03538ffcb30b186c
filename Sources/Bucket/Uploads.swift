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
}

/// Sends images to the bucket.
final class Uploads: Sendable {
  private let client: any S3Requests
  let layout: BucketLayout

  init(_ client: any S3Requests, _ layout: BucketLayout) {
    self.client = client
    self.layout = layout
  }

  /// Sends the images of a batch. Of several versions of an image only the newest is sent.
  /// - Returns: the same results, with what became of each image.
  func run(
    _ results: [Prepared], _ messages: [any Message], _ plan: UploadPlan, number: Int
  ) throws -> [Prepared] {
    var lists: [[UInt8]: [Int]] = [:]
    for (index, result) in results.enumerated() {
      // By the bytes: to Swift, the two spellings of an accent are one.
      // There is no order between partitions.
      if let name = result.name {
        lists[name + [0, UInt8(truncatingIfNeeded: messages[index].partition)], default: []].append(index)
      }
    }
    let all = Array(lists.values)
    let done = try UploadRounds(client: client).run(all.map { uploads(of: $0, results, messages, plan) })
    var finished = results
    for (indices, uploads) in zip(all, done) {
      let sizes = indices.map { results[$0].image!.size }
      let placements =
        plan.sameName == .keepBoth
        ? zip(uploads, sizes).map { $0.placements([$1])[0] } : uploads[0].placements(sizes)
      for (index, placement) in zip(indices, placements) { finished[index] = results[index].placed(placement, number) }
    }
    return finished
  }

  private func uploads(
    of indices: [Int], _ results: [Prepared], _ messages: [any Message], _ plan: UploadPlan
  ) -> [ImageUpload] {
    let versions = indices.map { version(results[$0].image!.digest, messages[$0], plan) }
    func upload(_ index: Int, _ names: [ImageName], _ versions: [ImageObject.Version]) -> ImageUpload {
      let image = results[index].image!
      return ImageUpload(
        names, versions, .bytes((image.kept as! DecodedImage).bytes), type: image.probe.mediaType,
        committed: plan.committed[messages[index].partition] ?? 0, layout)
    }
    switch plan.sameName {
    case .replace: return [upload(indices[indices.count - 1], [results[indices[0]].image!.name], versions)]
    case .keepBoth:
      return zip(indices, versions).map { index, version in
        let name = results[index].image!.name
        return upload(index, [name] + name.alternatives(version.digest), [version])
      }
    }
  }

  private func version(_ digest: Digest, _ message: any Message, _ plan: UploadPlan) -> ImageObject.Version {
    ImageObject.Version(
      digest: digest, origin: ImageOrigin(message, cluster: plan.cluster, generation: plan.generation))
  }

  /// Sends an image that was assembled from segments.
  /// - Parameter whileWaiting: called periodically; throws to give up.
  func run(
    _ image: AssembledImage, _ message: any Message, _ plan: UploadPlan, whileWaiting: () throws -> Void
  ) throws -> Placement {
    let names = plan.sameName == .keepBoth ? [image.name] + image.name.alternatives(image.digest) : [image.name]
    let upload = ImageUpload(
      names, [version(image.digest, message, plan)], .file(image.file, 0..<image.size), type: image.probe.mediaType,
      committed: plan.committed[message.partition] ?? 0, layout)
    return try UploadRounds(client: client).run([[upload]], whileWaiting: whileWaiting)[0][0].placements([image.size])[
      0]
  }

  /// Whether exactly this image was in the bucket before this message. A newer version may have replaced it since: batches
  /// are sent ahead of the log.
  /// - Parameter whileWaiting: called periodically; throws to give up.
  func isStored(
    _ part: PreparedPart, _ message: any Message, _ plan: UploadPlan, whileWaiting: () throws -> Void
  ) throws -> Bool {
    let names = plan.sameName == .keepBoth ? [part.name] + part.name.alternatives(part.digest) : [part.name]
    let origin = version(part.digest, message, plan).origin
    for name in names {
      var request = S3Request.head(layout.image(name))
      // A store that cannot have the key does not have the image. When it is complete, it is refused.
      request.accepted.formUnion([400, 414])
      let response = try client.perform([request], whileWaiting: whileWaiting)[0].get()
      guard let object = ImageObject(response) else { return false }
      if object.version(before: origin)?.digest == part.digest { return true }
    }
    return false
  }
}

extension Prepared {
  /// The name of a whole image, in bytes.
  var name: [UInt8]? { image.map { Array($0.name.value.utf8) } }

  fileprivate var image: PreparedImage? { if case .image(let image) = self { image } else { nil } }

  fileprivate func placed(_ placement: Placement, _ number: Int) -> Prepared {
    guard case .image(var image) = self else { return self }
    if case .refused(let refusal) = placement { return .refused(BadMessage(refusal)) }
    image.kept = UploadedImage(placement: placement, number: number)
    return .image(image)
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
