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

  /// Keeps a verified image's bytes, which are only valid during the call.
  package typealias Keep = (UnsafeRawBufferPointer) throws -> (kept: any KeptImage, file: File?)

  /// Decodes a message. A segment is written to its file, without syncing it.
  /// - Parameter keep: keeps the bytes of a whole image.
  /// - Throws: `SystemError` if the system is at fault. A fault of the message is a result.
  package func prepare(_ message: any Message, _ keep: Keep) throws -> Written {
    do {
      let headers = try ImageHeaders(message.header)
      let content = try ImageContent(message)
      let name = try ImageName(content.name)
      func write(_ bytes: UnsafeRawBufferPointer) throws -> Written {
        if let segment = headers.segment {
          try self.write(bytes, of: segment, headers, name)
        } else {
          try self.keep(bytes, headers, name, keep)
        }
      }
      switch content.form {
      case .bytes(let bytes): return try write(bytes)
      case .envelope(let envelope): return try decode(envelope, write)
      }
    } catch let error as EnvelopeError {
      return Written(
        prepared: .refused(BadMessage(stage: .conversion, kind: "EnvelopeError", description: error.description)))
    } catch let error as ImageName.Refusal {
      return Written(prepared: .refused(BadMessage(error)))
    } catch let error as BadMessage {
      return Written(prepared: .refused(error))
    }
  }

  private func decode(
    _ envelope: EnvelopeContent, _ body: (UnsafeRawBufferPointer) throws -> Written
  ) throws -> Written {
    try buffers.withBuffer(Base64.decodedCapacity(envelope.base64.count)) { buffer in
      // An empty image needs no memory, but decoding needs an address.
      let target = buffer.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 1)!
      // The text may be part of the envelope, which nothing else keeps alive.
      let count = try withExtendedLifetime(envelope) { () throws(EnvelopeError) in
        let text = envelope.base64
        if let count = Base64.decode(text, to: target) { return count }
        // Python's `encodebytes` inserts line breaks, and its `b64decode` accepts them.
        if let count = Base64.decodeSkippingWhiteSpace(text, to: target) { return count }
        throw EnvelopeError("image_content is not Base64: \(Base64Fault(text))")
      }
      return try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }

  private func keep(
    _ bytes: UnsafeRawBufferPointer, _ headers: ImageHeaders, _ name: ImageName, _ keep: Keep
  ) throws -> Written {
    if let length = headers.length, length != bytes.count {
      throw BadMessage(
        stage: .conversion, kind: "LengthMismatch",
        description: "the image has \(bytes.count) bytes, its header \(ImageHeaders.Name.length) says \(length)")
    }
    let digest = SHA256.hash(bytes)
    if let expected = headers.digest, expected != digest {
      throw BadMessage(
        stage: .conversion, kind: "DigestMismatch",
        description: "the image's SHA-256 is \(digest), its header \(ImageHeaders.Name.digest) says \(expected)")
    }
    let (kept, file) = try keep(bytes)
    let image = PreparedImage(name: name, digest: digest, size: bytes.count, probe: ImageProbe(bytes), kept: kept)
    return Written(prepared: .image(image), file: file)
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
