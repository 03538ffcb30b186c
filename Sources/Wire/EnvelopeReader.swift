/// The name and the encoded content that an envelope contains.
public struct EnvelopeContent {
  /// The image's name as it was sent. It has not been checked yet.
  public let name: String
  /// The Base64 characters, still encoded. They are stored in the message or in `unescaped`, and valid as long as both.
  public var base64: UnsafeRawBufferPointer {
    unescaped.map { UnsafeRawBufferPointer(start: $0.base, count: $0.count) } ?? direct
  }
  private let direct: UnsafeRawBufferPointer
  private let unescaped: OwnedBytes?

  fileprivate init(name: String, text: JSONScanner.Text, in value: UnsafeRawBufferPointer) throws(EnvelopeError) {
    self.name = name
    direct = UnsafeRawBufferPointer(rebasing: value[text.range])
    unescaped = text.hasEscapes ? OwnedBytes(try text.bytes(in: value)) : nil
  }

  /// Bytes at a fixed address, which an array does not guarantee.
  private final class OwnedBytes {
    let base: UnsafeMutableRawPointer
    let count: Int
    init(_ bytes: [UInt8]) {
      base = .allocate(byteCount: max(bytes.count, 1), alignment: 1)
      count = bytes.count
      bytes.withUnsafeBytes { if let source = $0.baseAddress { base.copyMemory(from: source, byteCount: $0.count) } }
    }
    deinit { base.deallocate() }
  }
}

/// Why a value is not an envelope. The description is stored in a dead letter's headers.
public struct EnvelopeError: Error, Equatable, CustomStringConvertible, Sendable {
  public let description: String
  package init(_ description: String) { self.description = description }
}

public enum EnvelopeReader {
  /// Reads an envelope. Its Base64 is copied only if it contains JSON escapes.
  ///
  /// Any key order, white space and unknown keys are accepted. If a key occurs twice, the last one counts, as in
  /// Python.
  /// - Parameter value: the message's value; must outlive the result.
  public static func read(_ value: UnsafeRawBufferPointer) throws(EnvelopeError) -> EnvelopeContent {
    var scanner = JSONScanner(value)
    var name: JSONScanner.Text?
    var content: JSONScanner.Text?
    guard scanner.take("{") else {
      let suspect = ValueSuspect.finding(value).map { ": " + $0 } ?? ""
      throw EnvelopeError("the value is not a JSON object (byte \(scanner.place))" + suspect)
    }
    if !scanner.take("}") {
      repeat {
        let key = try scanner.string()
        try scanner.expect(":", orElse: "a key without a value")
        switch try key.string(in: value) {
        case "image_name": name = try scanner.string(of: "image_name")
        case "image_content": content = try scanner.string(of: "image_content")
        default: try scanner.skipValue()
        }
      } while scanner.take(",")
      try scanner.expect("}", orElse: "the JSON object does not end")
    }
    guard scanner.isAtEnd else { throw EnvelopeError("unexpected data after the JSON object") }
    guard let name else { throw EnvelopeError("the JSON object has no image_name") }
    guard let content else { throw EnvelopeError("the JSON object has no image_content") }
    return try EnvelopeContent(name: try name.string(in: value), text: content, in: value)
  }
}
