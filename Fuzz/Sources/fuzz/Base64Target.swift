import Platform

/// Decoder and encoder agree with RFC 4648, computed bit by bit, and encoded bytes decode to themselves. Each path that
/// the processor has is tried.
func fuzzBase64(_ bytes: UnsafeRawBufferPointer) {
  for path in Base64.Path.allCases where path.isAvailable { fuzz(bytes, path) }
}

private func fuzz(_ bytes: UnsafeRawBufferPointer, _ path: Base64.Path) {
  let decoded = decode(bytes, path)
  require(decoded == ReferenceBase64.decode(Array(bytes)), "decode \(Array(bytes)): \(decoded.debugDescription)")
  // The decoder that skips white space gives the same result as for the text without it. It skips nothing else.
  let skipping = decodeSkippingWhiteSpace(bytes, path)
  let bare = Array(bytes.filter { ![0x0A, 0x0D, 0x20, 0x09].contains($0) })
  require(
    skipping == ReferenceBase64.decode(bare), "decode without white space \(Array(bytes)): \(skipping.debugDescription)"
  )
  let encoded = encode(bytes, path)
  require(encoded == ReferenceBase64.encode(Array(bytes)), "encode \(Array(bytes))")
  require(encoded.withUnsafeBytes { decode($0, path) } == Array(bytes), "what is encoded decodes to itself")
  // Strict Base64 has one form for each content.
  if let decoded { require(decoded.withUnsafeBytes { encode($0, path) } == Array(bytes), "one form for each content") }
}

func encode(_ bytes: UnsafeRawBufferPointer, _ path: Base64.Path = .best) -> [UInt8] {
  let target = UnsafeMutableRawBufferPointer.allocate(byteCount: Base64.encodedCount(bytes.count), alignment: 1)
  defer { target.deallocate() }
  let count = Base64.encode(bytes, to: target.baseAddress!, by: path)
  require(count == target.count, "encodedCount is exact")
  return Array(target)
}

func decode(_ characters: UnsafeRawBufferPointer, _ path: Base64.Path = .best) -> [UInt8]? {
  let capacity = Base64.decodedCapacity(characters.count)
  let target = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 1)
  defer { target.deallocate() }
  return Base64.decode(characters, to: target.baseAddress!, by: path).map { Array(target.prefix($0)) }
}

func decodeSkippingWhiteSpace(_ characters: UnsafeRawBufferPointer, _ path: Base64.Path) -> [UInt8]? {
  let capacity = Base64.decodedCapacity(characters.count)
  let target = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 1)
  defer { target.deallocate() }
  return Base64.decodeSkippingWhiteSpace(characters, to: target.baseAddress!, by: path).map { Array(target.prefix($0)) }
}

/// A slow and simple reference: it works on a sequence of bits.
enum ReferenceBase64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let padding = UInt8(ascii: "=")

  static func encode(_ bytes: [UInt8]) -> [UInt8] {
    var bits = bytes.flatMap { byte in (0..<8).reversed().map { byte >> UInt8($0) & 1 } }
    while bits.count % 6 != 0 { bits.append(0) }
    var characters = stride(from: 0, to: bits.count, by: 6).map { alphabet[number(bits[$0..<$0 + 6])] }
    while characters.count % 4 != 0 { characters.append(padding) }
    return characters
  }

  static func decode(_ characters: [UInt8]) -> [UInt8]? {
    guard characters.count % 4 == 0 else { return nil }
    var digits = characters
    while digits.last == padding, characters.count - digits.count < 2 { digits.removeLast() }
    var bits: [UInt8] = []
    for digit in digits {
      guard let value = alphabet.firstIndex(of: digit) else { return nil }
      bits += (0..<6).reversed().map { UInt8(value >> $0 & 1) }
    }
    let rest = bits.suffix(bits.count % 8)
    guard rest.allSatisfy({ $0 == 0 }), rest.count < 6 else { return nil }
    bits.removeLast(rest.count)
    return stride(from: 0, to: bits.count, by: 8).map { UInt8(number(bits[$0..<$0 + 8])) }
  }

  private static func number(_ bits: ArraySlice<UInt8>) -> Int { bits.reduce(0) { $0 * 2 + Int($1) } }
}
