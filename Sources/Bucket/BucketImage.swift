import Output
import Platform
import S3

/// An image that waits to be sent to the bucket.
protocol UnsentImage: KeptImage {
  var body: TransferBody { get }
}

/// The image of one message.
struct DecodedImage: UnsentImage {
  let bytes: [UInt8]

  var body: TransferBody { .bytes(bytes) }
}

extension AssembledImage: UnsentImage {
  var body: TransferBody { .file(file, 0..<size) }
}

/// An image that was sent to the bucket, and what became of it.
struct UploadedImage: KeptImage {
  let placement: Placement
}

/// Whether exactly the image of a part was in the bucket before its message.
struct StoredBefore: PartFinding {
  let isStored: Bool
}

extension ImageUpload {
  /// What became of each version, as the transaction wants to know it.
  /// - Parameter sizes: of the versions' images.
  func placements(_ sizes: [Int]) -> [Placement] {
    if let refusal { return versions.map { _ in .refused(refusal) } }
    return zip(outcomes, sizes).map { outcome, size in
      switch outcome {
      case .unchanged: .unchanged
      case .stored(let isReplacement):
        .stored(StoredImage(name: name, bytes: size, isNew: true, isReplacement: isReplacement))
      }
    }
  }
}
