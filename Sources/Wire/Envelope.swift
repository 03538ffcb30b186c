public import Messaging
import Platform

/// The bytes around an image in a message's value. In Base64 format they make a JSON object with the strings
/// `image_name` and `image_content`, as the Python scripts write it. In binary format there are none: the value is the
/// image itself.
///
/// All bytes around the content are known beforehand, so an image is encoded in place, in the buffer that librdkafka
/// takes over.
public struct Envelope: Sendable {
  public let format: WireFormat
  /// The bytes before the content: `{"image_name": "cat/001.jpg", "image_content": "`. Empty in binary format.
  public let head: [UInt8]
  /// The bytes after the content. Empty in binary format.
  public let tail: [UInt8]
  /// The headers that a reader needs to interpret the value. Empty in Base64 format.
  public let headers: [MessageHeader]

  /// - Parameter name: the image's name. Characters that JSON requires to be escaped are escaped; a slash is not.
  public init(name: String, format: WireFormat = .base64) {
    self.format = format
    guard format == .base64 else {
      (head, tail) = ([], [])
      headers = [
        MessageHeader(name: WireFormat.Header.encoding, value: Array(format.rawValue.utf8)),
        MessageHeader(name: WireFormat.Header.name, value: Array(name.utf8)),
      ]
      return
    }
    headers = []
    tail = Array("\"}".utf8)
    var head = Array("{\"image_name\": ".utf8)
    head.reserveCapacity(head.count + name.utf8.count + 32)
    head.appendJSON(name)
    head += Array(", \"image_content\": \"".utf8)
    self.head = head
  }

  /// The size in bytes of a complete value that carries `count` bytes of an image.
  public func size(carrying count: Int) -> Int { head.count + format.encodedCount(count) + tail.count }

  /// Writes the complete value to `target`, which must have room for `size(carrying: content.count)` bytes.
  public func write(_ content: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) {
    guard format == .base64 else {
      if let bytes = content.baseAddress { target.copyMemory(from: bytes, byteCount: content.count) }
      return
    }
    head.withUnsafeBytes { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    let end = target + head.count + Base64.encode(content, to: target + head.count)
    tail.withUnsafeBytes { end.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }
}

extension [UInt8] {
  /// Appends a JSON string with its quotes. What JSON requires to be escaped is escaped; a slash is not.
  mutating func appendJSON(_ text: String) {
    append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): self += [UInt8(ascii: "\\"), byte]
      case 0..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        self += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
      default: append(byte)
      }
    }
    append(UInt8(ascii: "\""))
  }
}
