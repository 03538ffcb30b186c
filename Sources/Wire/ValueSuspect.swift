/// Guesses what a value is if it is not a JSON object, such as what other serializers put around the object or send
/// instead.
enum ValueSuspect {
  /// - Returns: the finding and how to send the value correctly; nil if the value resembles nothing known.
  static func finding(_ value: UnsafeRawBufferPointer) -> String? {
    func begins(_ bytes: UInt8...) -> Bool { value.starts(with: bytes) }
    if begins(0xEF, 0xBB, 0xBF) { return "it begins with a byte-order mark (EF BB BF); encode it as utf-8 without one" }
    if begins(0xFF, 0xFE) || begins(0xFE, 0xFF) || begins(0, 0x7B, 0) {
      return "it is UTF-16; encode it as utf-8"
    }
    if begins(0), value.count > 5 {
      let id = value[1..<5].reduce(0) { $0 << 8 | Int($1) }
      return "it begins with a Schema Registry header (0x00 and schema id \(id)); use a serializer of plain JSON"
    }
    if begins(0x1F, 0x8B) || begins(0x28, 0xB5, 0x2F, 0xFD) {
      return "it is compressed; send JSON, and let the producer compress it (compression.type)"
    }
    if begins(UInt8(ascii: "b"), UInt8(ascii: "'")) || begins(UInt8(ascii: "b"), UInt8(ascii: "\"")) {
      return "it is Python's repr of bytes; send the bytes themselves"
    }
    if begins(UInt8(ascii: "\"")) { return "it is a JSON string; an object that was encoded twice?" }
    let format = ImageProbe(value).format
    if !format.isEmpty {
      return "it is a \(format) image; set the header \(WireFormat.Header.encoding) to \(WireFormat.binary.rawValue)"
    }
    return nil
  }
}
