import Platform

/// The message's value: a JSON object with the strings `image_name` and `image_content`, as the Python scripts write it.
///
/// The writer knows every byte around the Base64 beforehand, so an image is encoded in place, inside the buffer that
/// librdkafka takes over.
public struct Envelope: Sendable {
  /// What stands before the Base64: `{"image_name": "cat/001.jpg", "image_content": "`.
  public let head: [UInt8]
  /// What stands behind it.
  public static let tail: [UInt8] = Array("\"}".utf8)

  /// - Parameter name: the image's name; characters that JSON wants escaped are, a slash is not.
  public init(name: String) {
    var head = Array("{\"image_name\": \"".utf8)
    head.reserveCapacity(head.count + name.utf8.count + 32)
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): head += [UInt8(ascii: "\\"), byte]
      case 0..<0x20: head += Self.escape(byte)
      default: head.append(byte)
      }
    }
    head += Array("\", \"image_content\": \"".utf8)
    self.head = head
  }

  /// The size in bytes of a whole value that carries `count` bytes of an image.
  public func size(carrying count: Int) -> Int { head.count + Base64.encodedCount(count) + Self.tail.count }

  /// Writes the whole value at `target`, which must have room for `size(carrying: content.count)` bytes.
  public func write(_ content: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) {
    head.withUnsafeBytes { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    let end = target + head.count + Base64.encode(content, to: target + head.count)
    Self.tail.withUnsafeBytes { end.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }

  private static func escape(_ control: UInt8) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    return Array("\\u00".utf8) + [digits[Int(control >> 4)], digits[Int(control & 0xF)]]
  }
}
