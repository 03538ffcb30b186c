import Output
import Platform

/// An image that waits to be sent to the bucket.
struct DecodedImage: KeptImage {
  let bytes: [UInt8]
}

/// An image that is in the bucket.
struct UploadedImage: KeptImage {
  let placement: Placement
  /// Counts the preparations.
  let number: Int
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
