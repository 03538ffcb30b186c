public import Messaging
public import Platform

/// The Kafka headers that describe a message's image. Their values are text, so that every Kafka tool can show them.
/// A message without any of them, such as one of a Python producer, carries a whole image.
public struct ImageHeaders: Sendable, Equatable {
  /// SHA-256 of the whole image: 64 hexadecimal digits on the wire.
  public var digest: Digest?
  /// Length in bytes of the whole image: decimal digits on the wire.
  public var length: Int?
  /// Set if the message carries a segment of an image.
  public var segment: Segment?

  /// A segment: a part of an image that is too large for one message.
  public struct Segment: Sendable, Equatable {
    /// The same for all segments of one version of an image.
    public var id: String
    /// From 0 to `count - 1`.
    public var index: Int
    public var count: Int
    /// The offset of the segment's first byte in the image.
    public var position: Int

    package init(id: String, index: Int, count: Int, position: Int) {
      self.id = id
      self.index = index
      self.count = count
      self.position = position
    }
  }

  public enum Name {
    public static let digest = "image-sha256"
    public static let length = "image-length"
    public static let segmentID = "segment-id"
    public static let segmentIndex = "segment-index"
    public static let segmentCount = "segment-count"
    public static let segmentPosition = "segment-position"
  }

  public init(digest: Digest?, length: Int?, segment: Segment? = nil) {
    self.digest = digest
    self.length = length
    self.segment = segment
  }

  /// The headers as they are sent.
  public var kafkaHeaders: [MessageHeader] {
    var headers: [MessageHeader] = []
    func add(_ name: String, _ value: String) { headers.append(MessageHeader(name: name, value: Array(value.utf8))) }
    if let digest { add(Name.digest, digest.hex) }
    if let length { add(Name.length, String(length)) }
    if let segment {
      add(Name.segmentID, segment.id)
      add(Name.segmentIndex, String(segment.index))
      add(Name.segmentCount, String(segment.count))
      add(Name.segmentPosition, String(segment.position))
    }
    return headers
  }

  /// Reads a message's headers.
  /// - Parameter header: returns a header's bytes by its name; nil if there is none.
  /// - Throws: `EnvelopeError` if a header is malformed, or if the headers contradict each other.
  public init(_ header: (String) -> UnsafeRawBufferPointer?) throws(EnvelopeError) {
    func text(_ name: String) -> String? { header(name).map { String(decoding: $0, as: UTF8.self) } }
    func number(_ name: String) throws(EnvelopeError) -> Int? {
      guard let text = text(name) else { return nil }
      // Only digits are allowed; the standard library accepts a sign, too.
      guard let number = Int(text), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
        throw EnvelopeError("the header \(name) is \"\(text)\", not a number of 0 or more")
      }
      return number
    }
    if let hex = text(Name.digest) {
      guard let digest = Digest(hex: hex) else {
        throw EnvelopeError("the header \(Name.digest) is \"\(hex)\", not 64 hexadecimal digits")
      }
      self.digest = digest
    }
    length = try number(Name.length)
    guard let id = text(Name.segmentID) else { return }
    guard let index = try number(Name.segmentIndex), let count = try number(Name.segmentCount),
      let position = try number(Name.segmentPosition)
    else { throw EnvelopeError("a segment without \(Name.segmentIndex), \(Name.segmentCount) or its position") }
    guard let length, digest != nil else {
      throw EnvelopeError("a segment without \(Name.digest) or \(Name.length) of its image")
    }
    guard index < count, position <= length, count <= Swift.max(length, 1), !id.isEmpty, id.utf8.count <= 256 else {
      throw EnvelopeError("segment \(index) of \(count) at byte \(position) of \(length) cannot be")
    }
    segment = Segment(id: id, index: index, count: count, position: position)
  }
}

extension ImageHeaders.Segment {
  /// The id of an image's segments. It depends only on name and content, so a restarted producer sends the same id.
  public static func id(name: String, digest: Digest) -> String {
    var hash = SHA256()
    Array(name.utf8).withUnsafeBytes { hash.update($0) }
    [UInt8(0)].withUnsafeBytes { hash.update($0) }
    digest.bytes.withUnsafeBytes { hash.update($0) }
    return hash.finish().hex
  }
}
