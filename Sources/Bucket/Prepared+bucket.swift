import Output
import Platform
import S3
import Wire

extension Prepared {
  var part: PreparedPart? { if case .part(let part) = self { part } else { nil } }

  /// The image, if it is complete.
  var image: PreparedImage? {
    switch self {
    case .image(let image): image
    case .part(let part): part.image
    case .refused, .settled: nil
    }
  }

  mutating func place(_ placement: Placement) {
    switch self {
    case .image(var image):
      image.kept = UploadedImage(placement: placement)
      self = if case .refused(let refusal) = placement { .refused(BadMessage(refusal)) } else { .image(image) }
    case .part(var part):
      part.image?.kept = UploadedImage(placement: placement)
      self = .part(part)
    case .refused, .settled: break
    }
  }

  /// Notes whether exactly the image of this part was in the bucket before its message.
  mutating func note(isStored: Bool) {
    guard case .part(var part) = self else { return }
    part.finding = StoredBefore(isStored: isStored)
    self = .part(part)
  }

  /// The image of this part is left to the transaction.
  mutating func leaveAssembled() {
    guard case .part(var part) = self else { return }
    part.image = nil
    self = .part(part)
  }
}

/// A name in a partition. There is no order between partitions.
struct ImageKey: Hashable {
  /// By its bytes: to Swift, the two spellings of an accent are one.
  let name: [UInt8]
  let partition: Int32

  init(_ name: ImageName, _ partition: Int32) {
    self.name = name.bytes
    self.partition = partition
  }
}

extension ImageName {
  var bytes: [UInt8] { Array(value.utf8) }
}
