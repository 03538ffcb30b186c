import Glibc
package import Messaging
package import Platform
package import Wire

/// A message, processed as far as possible without the catalog. Its bytes are in a file, but not yet under their final
/// name. A whole image is also verified.
package enum Prepared: Sendable {
  case image(PreparedImage)
  case part(PreparedPart)
  case refused(BadMessage)
  /// Skipped: its outcome is known from an earlier attempt.
  case settled
}

/// A whole image.
package struct PreparedImage: Sendable {
  package let name: ImageName
  package let digest: Digest
  package let size: Int
  package let probe: ImageProbe
  package var kept: any KeptImage
}

/// A part of an image, written at its position in the image's segment file.
package struct PreparedPart: Sendable {
  package let name: ImageName
  package let digest: Digest
  package let length: Int
  package let size: Int
  package let segment: ImageHeaders.Segment
  /// The status of the image's segment file, with this part in it.
  let status: FileStatus
  /// Whether there was no such file before.
  package let hasCreatedFile: Bool
  /// The whole image, if this part completes it, and the place does not leave it to the transaction.
  package var image: PreparedImage?
  /// A finding of the place about this image, made ahead of the transaction.
  package var finding: (any PartFinding)?
}

/// A finding of a place about the image of a part.
package protocol PartFinding: Sendable {}

extension ImageHeaders.Segment {
  package var file: Catalog.SegmentFile { Catalog.SegmentFile(segmentID: id, count: count) }
}

/// Reads the images and segments of messages. Segments are written to files. Called from several threads at once.
package final class MessageDecoder: Sendable {
  private let segments: SegmentFiles
  private let buffers = BufferPool()

  package init(_ segments: SegmentFiles) { self.segments = segments }

  /// A message's result, and the file that must still be synced.
  package struct Written: Sendable {
    package var prepared: Prepared
    var file: File?

    package init(prepared: Prepared, file: File? = nil) {
      self.prepared = prepared
      self.file = file
    }
  }

  /// A verified image, and the file that must still be synced.
  package typealias Kept = (kept: any KeptImage, file: File?)

  /// Decodes messages. Segments are written to their files, without syncing them.
  /// - Parameter keep: keeps the bytes of a whole image. Receives the index of its message.
  /// - Throws: `SystemError` if the system is at fault. A fault of a message is a result.
  package func prepare(
    _ messages: [any Message], _ keep: (_ index: Int, _ bytes: UnsafeRawBufferPointer) throws -> Kept
  ) throws -> [Written] {
    let decoded = try messages.map { try decode($0) }
    var digests = SHA256.hashes(of: decoded.compactMap(\.image)).makeIterator()
    return try decoded.enumerated().map { index, result in
      switch result {
      case .over(let written): written
      case .image(let image): try finish(image, digests.next()!) { try keep(index, $0) }
      }
    }
  }

  private enum Decoded {
    case image(UnverifiedImage)
    /// A segment, or a fault of the message.
    case over(Written)

    var image: UnverifiedImage? { if case .image(let image) = self { image } else { nil } }
  }

  private func decode(_ message: any Message) throws -> Decoded {
    do {
      let headers = try ImageHeaders(message.header)
      let content = try ImageContent(message)
      let name = try ImageName(content.name)
      let image: UnverifiedImage
      switch content.form {
      case .bytes(let bytes): image = UnverifiedImage(name: name, headers: headers, bytes, of: message)
      case .envelope(let envelope):
        let (bytes, loan) = try decode(envelope)
        image = UnverifiedImage(name: name, headers: headers, bytes, of: loan)
      }
      guard let segment = headers.segment else { return .image(image) }
      return .over(try image.withBytes { try write($0, of: segment, headers, name) })
    } catch { return .over(Written(prepared: .refused(try Self.fault(error)))) }
  }

  /// The fault of the message that the error reports.
  /// - Throws: the error, if it is the system's.
  private static func fault(_ error: any Error) throws -> BadMessage {
    switch error {
    case let error as EnvelopeError:
      BadMessage(stage: .conversion, kind: "EnvelopeError", description: error.description)
    case let error as ImageName.Refusal: BadMessage(error)
    case let error as BadMessage: error
    default: throw error
    }
  }

  private func decode(
    _ envelope: EnvelopeContent
  ) throws(EnvelopeError) -> (UnsafeRawBufferPointer, BufferPool.Loan) {
    let loan = buffers.lend(Base64.decodedCapacity(envelope.base64.count))
    // An empty image needs no memory, but decoding needs an address.
    let target = loan.bytes.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 1)!
    // The text may be part of the envelope, which nothing else keeps alive.
    let count = try withExtendedLifetime(envelope) { () throws(EnvelopeError) in
      let text = envelope.base64
      if let count = Base64.decode(text, to: target) { return count }
      // Python's `encodebytes` inserts line breaks, and its `b64decode` accepts them.
      if let count = Base64.decodeSkippingWhiteSpace(text, to: target) { return count }
      throw EnvelopeError("image_content is not Base64: \(Base64Fault(text))")
    }
    return (UnsafeRawBufferPointer(rebasing: loan.bytes[..<count]), loan)
  }

  /// Verifies an image and keeps it.
  private func finish(
    _ image: UnverifiedImage, _ digest: Digest, _ keep: (UnsafeRawBufferPointer) throws -> Kept
  ) throws -> Written {
    if let fault = image.fault(digest) { return Written(prepared: .refused(fault)) }
    return try image.withBytes { bytes in
      let (kept, file) = try keep(bytes)
      let image = PreparedImage(
        name: image.name, digest: digest, size: bytes.count, probe: ImageProbe(bytes), kept: kept)
      return Written(prepared: .image(image), file: file)
    }
  }

  private func write(
    _ bytes: UnsafeRawBufferPointer, of segment: ImageHeaders.Segment, _ headers: ImageHeaders, _ name: ImageName
  ) throws -> Written {
    let (digest, length) = (headers.digest!, headers.length!)
    guard bytes.count <= length - segment.position, !bytes.isEmpty else {
      throw BadMessage(
        stage: .conversion, kind: "LengthMismatch",
        description: "\(bytes.count) bytes at byte \(segment.position) are no part of an image of \(length) bytes")
    }
    let (file, isNew): (File, Bool)
    do {
      (file, isNew) = try segments.writes.exclusively(segment.file.name) { () throws(SystemError) in
        let isNew = try segments.folder.status(segment.file.name) == nil
        let file = try segments.folder.file(segment.file.name, .create)
        try file.write(bytes, at: segment.position)
        return (file, isNew)
      }
    } catch {
      guard error.code == EFBIG || error.code == EINVAL else { throw error }
      // Another attempt would fail too, and nothing after this message would ever be stored.
      throw BadMessage(
        stage: .storing, kind: "TooLarge",
        description: "no file can have \(bytes.count) bytes at byte \(segment.position), as here: \(error)")
    }
    FaultPoint.temporaryWritten.reached()
    let part = PreparedPart(
      name: name, digest: digest, length: length, size: bytes.count, segment: segment, status: try file.status(),
      hasCreatedFile: isNew)
    return Written(prepared: .part(part), file: file)
  }
}
