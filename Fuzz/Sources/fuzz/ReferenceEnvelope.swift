/// An envelope read by simple recursive descent. The real reader, which copies nothing, must agree with it.
struct ReferenceEnvelope {
  let name: [UInt8]
  let content: [UInt8]
  /// True if a key occurs twice.
  let hasTwins: Bool

  static func read(_ text: [UInt8]) -> ReferenceEnvelope? {
    var parser = Parser(text: text[...])
    guard let members = parser.topObject() else { return nil }
    let keys = members.map { unescaped($0.key) }
    guard keys.allSatisfy({ $0.map(isUTF8) ?? false }) else { return nil }
    var values: [String: ArraySlice<UInt8>] = [:]
    for (key, member) in zip(keys, members) {
      let key = String(decoding: key!, as: UTF8.self)
      guard key == "image_name" || key == "image_content" else { continue }
      // A value that is not a string makes the envelope invalid, even if another one follows under the same key.
      guard let string = member.string else { return nil }
      values[key] = string
    }
    guard let name = values["image_name"].flatMap(unescaped), isUTF8(name),
      let content = values["image_content"].flatMap(unescaped)
    else { return nil }
    return ReferenceEnvelope(name: name, content: content, hasTwins: Set(keys).count != keys.count)
  }

  private static func isUTF8(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

  /// A string's bytes with its escapes resolved; nil if an escape is wrong.
  private static func unescaped(_ raw: ArraySlice<UInt8>) -> [UInt8]? {
    let plain: [Character: Unicode.Scalar] = [
      "\"": "\"", "\\": "\\", "/": "/", "b": "\u{8}", "f": "\u{C}", "n": "\n", "r": "\r", "t": "\t",
    ]
    var raw = raw
    var bytes: [UInt8] = []
    while let byte = raw.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        continue
      }
      guard let kind = raw.popFirst() else { return nil }
      if let scalar = plain[Character(Unicode.Scalar(kind))] {
        bytes.append(UInt8(scalar.value))
        continue
      }
      guard kind == UInt8(ascii: "u"), let unit = hexadecimal(&raw) else { return nil }
      var units = [unit]
      if UTF16.isLeadSurrogate(unit), raw.starts(with: Array("\\u".utf8)) {
        raw = raw.dropFirst(2)
        guard let next = hexadecimal(&raw) else { return nil }
        units.append(next)
      }
      guard let text = String(validating: units, as: UTF16.self) else { return nil }
      bytes += Array(text.utf8)
    }
    return bytes
  }

  private static func hexadecimal(_ raw: inout ArraySlice<UInt8>) -> UInt16? {
    let digits = raw.prefix(4)
    raw = raw.dropFirst(4)
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit && $0 < 0x80 }) else {
      return nil
    }
    return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
  }

  private struct Parser {
    var text: ArraySlice<UInt8>
    private static let deepest = 64

    mutating func topObject() -> [(key: ArraySlice<UInt8>, string: ArraySlice<UInt8>?)]? {
      var members: [(key: ArraySlice<UInt8>, string: ArraySlice<UInt8>?)] = []
      guard take("{") else { return nil }
      if !take("}") {
        repeat {
          guard let key = string(), take(":") else { return nil }
          if let string = string() {
            members.append((key, string))
          } else {
            guard value(depth: 0) else { return nil }
            members.append((key, nil))
          }
        } while take(",")
        guard take("}") else { return nil }
      }
      skipSpace()
      return text.isEmpty ? members : nil
    }

    private mutating func skipSpace() { text = text.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) } }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
      skipSpace()
      guard text.first == UInt8(ascii: character) else { return false }
      text.removeFirst()
      return true
    }

    /// The text between a string's quotes; nil, with nothing consumed but white space, if there is no complete string.
    private mutating func string() -> ArraySlice<UInt8>? {
      skipSpace()
      guard text.first == UInt8(ascii: "\"") else { return nil }
      var end = text.startIndex + 1
      while end < text.endIndex, text[end] != UInt8(ascii: "\"") { end += text[end] == UInt8(ascii: "\\") ? 2 : 1 }
      guard end < text.endIndex else { return nil }
      defer { text = text[(end + 1)...] }
      return text[(text.startIndex + 1)..<end]
    }

    private mutating func value(depth: Int) -> Bool {
      guard depth < Self.deepest else { return false }
      if string() != nil { return true }
      if take("{") {
        if take("}") { return true }
        repeat { guard string() != nil, take(":"), value(depth: depth + 1) else { return false } } while take(",")
        return take("}")
      }
      if take("[") {
        if take("]") { return true }
        repeat { guard value(depth: depth + 1) else { return false } } while take(",")
        return take("]")
      }
      let word = text.prefix {
        $0 < 0x80 && (Character(Unicode.Scalar($0)).isLetter || isDigit($0) || "+-.".utf8.contains($0))
      }
      text = text.dropFirst(word.count)
      // The exact form of a number does not matter here.
      if let first = word.first, isDigit(first) || first == UInt8(ascii: "-") { return true }
      return ["true", "false", "null", "NaN", "Infinity"].contains(String(decoding: word, as: UTF8.self))
    }

    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  }
}
