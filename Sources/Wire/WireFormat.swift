package import Messaging
import Platform

/// How an image lies in a message's value. A consumer reads either, also in one topic; the messages themselves say which.
public enum WireFormat: String, CaseIterable, Sendable {
  /// The envelope: JSON, the image in Base64. What every writer and reader of JSON can take.
  case base64
  /// The value is the image, or its segment, as it is. Headers say so and name the image.
  case binary

  /// The bytes that `count` bytes of an image have in a value, the envelope apart.
  package func encodedCount(_ count: Int) -> Int { self == .base64 ? Base64.encodedCount(count) : count }

  /// The most bytes of an image that so many bytes of a value hold; 0 for a negative number.
  package func contentCount(fitting bytes: Int) -> Int { max(0, self == .base64 ? bytes / 4 * 3 : bytes) }

  /// What a message may hold beside its content, in bytes: the longest name, twice, once escaped, and the headers.
  package static let besideContent = 40_000

  /// The most bytes of an image that one message carries, unless set otherwise. Base64 makes 960,000 bytes of it; with the longest name that can be stored, escaped, and the headers, a message
  /// stays below the 1,000,000 bytes that client and broker take by default.
  package static let defaultSegmentBytes = 720_000

  enum Header {
    /// How the value is to be read: `binary`. Without it, it is an envelope.
    static let encoding = "image-encoding"
    /// The image's name, UTF-8, of a value that does not name it.
    static let name = "image-name"
  }
}

/// What a message says in its value, once read. Lives as long as the message.
package struct ImageContent {
  /// As it was sent; not yet checked for being a usable one.
  package let name: String
  package let form: Form

  package enum Form {
    case envelope(EnvelopeContent)
    case bytes(UnsafeRawBufferPointer)
  }

  /// - Parameter header: a header's bytes by its name, nil where there is none.
  /// - Throws: `EnvelopeError` where it is neither.
  package init(
    value: UnsafeRawBufferPointer?, key: UnsafeRawBufferPointer?, header: (String) -> (some Collection<UInt8>)?
  ) throws(EnvelopeError) {
    guard let value else { throw EnvelopeError("the message has no value") }
    guard let encoding = header(WireFormat.Header.encoding) else {
      let envelope = try EnvelopeReader.read(value)
      name = envelope.name
      form = .envelope(envelope)
      return
    }
    guard encoding.elementsEqual(WireFormat.binary.rawValue.utf8) else {
      throw EnvelopeError(
        "the header \(WireFormat.Header.encoding) is \"\(String(decoding: encoding, as: UTF8.self))\"; only "
          + "\(WireFormat.binary.rawValue) is known")
    }
    let named = header(WireFormat.Header.name)
    guard named != nil || key != nil else {
      throw EnvelopeError("neither a header \(WireFormat.Header.name) nor a key names the image")
    }
    guard
      let text = named.map({ String(validating: $0, as: UTF8.self) })
        ?? key.map({ String(validating: $0, as: UTF8.self) }) ?? nil
    else { throw EnvelopeError("the image's name is not UTF-8") }
    name = text
    form = .bytes(value)
  }

  package init(_ message: any Message) throws(EnvelopeError) {
    try self.init(value: message.value, key: message.key, header: message.header)
  }
}
