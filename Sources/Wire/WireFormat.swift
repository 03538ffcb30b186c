package import Messaging
import Platform

/// How a message's value carries an image. A consumer reads both formats, even mixed in one topic: each message shows
/// which one it uses.
public enum WireFormat: String, CaseIterable, Sendable {
  /// The envelope: JSON with the image in Base64. Every program that handles JSON can write and read it.
  case base64
  /// The value is the image or segment itself. Headers name the format and the image.
  case binary

  /// The bytes that `count` bytes of an image take up in a value, without the envelope.
  package func encodedCount(_ count: Int) -> Int { self == .base64 ? Base64.encodedCount(count) : count }

  /// The maximum bytes of an image that fit into `bytes` bytes of a value; 0 for a negative number.
  package func contentCount(fitting bytes: Int) -> Int { max(0, self == .base64 ? bytes / 4 * 3 : bytes) }

  /// The maximum bytes of a message without its content: the longest name twice (once escaped), and the headers.
  package static let besideContent = 40_000

  /// The default maximum bytes of an image in one message. In Base64 they take up 960,000 bytes. With the longest name
  /// that can be stored, escaped, and the headers, a message stays within the 1,000,000 bytes that client and broker
  /// accept by default.
  package static let defaultSegmentBytes = 720_000

  enum Header {
    /// The format of the value: `binary`. Without this header, the value is an envelope.
    static let encoding = "image-encoding"
    /// The image's name in UTF-8, if the value does not contain it.
    static let name = "image-name"
  }
}

/// An image's name and content, as read from a message. Valid as long as the message.
package struct ImageContent {
  /// The name as it was sent. It has not been checked yet.
  package let name: String
  package let form: Form

  package enum Form {
    case envelope(EnvelopeContent)
    case bytes(UnsafeRawBufferPointer)
  }

  /// - Parameter header: returns a header's bytes by its name; nil if there is none.
  /// - Throws: `EnvelopeError` if the value is neither an envelope nor a binary image with a name.
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
