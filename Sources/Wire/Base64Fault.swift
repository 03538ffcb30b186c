import Platform

/// Why a text is not Base64: the first wrong character, its offset in the text, and how to send the text correctly.
/// Created only after the decoder has refused the text.
package struct Base64Fault: CustomStringConvertible {
  package let description: String

  private static let padding = UInt8(ascii: "=")

  package init(_ text: UnsafeRawBufferPointer) {
    description = Self.form(text) ?? Self.character(text) ?? Self.length(text) ?? "it does not decode"
  }

  /// The fault of a text that contains Base64 within something else; nil if the text is no such text.
  private static func form(_ text: UnsafeRawBufferPointer) -> String? {
    let start = text.drop(while: Base64.isWhiteSpace).prefix(64)
    let beginning = String(decoding: start, as: UTF8.self)
    if beginning.lowercased().hasPrefix("data:") {
      let header = beginning.prefix { $0 != "," }
      return "it begins with \"\(header),\", a data URI; send only what follows the comma"
    }
    if beginning.hasPrefix("b'") || beginning.hasPrefix("b\"") {
      return "it begins with \(beginning.prefix(2)), Python's repr of bytes; send base64.b64encode(...).decode('ascii')"
    }
    return nil
  }

  /// The fault of the first character that is not allowed at its offset; nil if there is none.
  private static func character(_ text: UnsafeRawBufferPointer) -> String? {
    var count = 0
    var firstPadding: Int?
    for (offset, character) in text.enumerated() where !Base64.isWhiteSpace(character) {
      if character == padding {
        firstPadding = firstPadding ?? offset
        // Only the last two characters of a group of four may be padding.
        if count % 4 < 2 {
          return "'=' at offset \(offset): padding is at most two characters, at the end"
        }
      } else if let firstPadding {
        return "offset \(firstPadding) holds '=', and more text follows; join the pieces before they are encoded"
      } else if character == UInt8(ascii: "-") || character == UInt8(ascii: "_") {
        return
          "offset \(offset) holds '\(Unicode.Scalar(character))', of the URL-safe alphabet; send the standard one, with + and /"
      } else if !isInAlphabet(character) {
        return "offset \(offset) holds \(name(of: text, at: offset))"
      }
      count += 1
    }
    return nil
  }

  private static func length(_ text: UnsafeRawBufferPointer) -> String? {
    let digits = text.enumerated().filter { !Base64.isWhiteSpace($0.element) }
    guard digits.count % 4 == 0 else {
      return "it has \(digits.count) characters, no multiple of 4: its end or its padding (=) is missing"
    }
    guard let last = digits.last(where: { $0.element != padding }) else { return nil }
    return
      "'\(Unicode.Scalar(last.element))' at offset \(last.offset), with unused bits set: the end is damaged"
  }

  private static func isInAlphabet(_ character: UInt8) -> Bool {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
      true
    default: false
    }
  }

  /// The character as people read it, or its byte if it is not readable.
  private static func name(of text: UnsafeRawBufferPointer, at offset: Int) -> String {
    let byte = text[offset]
    if (0x21...0x7E).contains(byte) { return "'\(Unicode.Scalar(byte))'" }
    var decoder = UTF8()
    var bytes = text[offset...].prefix(4).makeIterator()
    if byte >= 0x80, case .scalarValue(let scalar) = decoder.decode(&bytes) {
      let number = String(scalar.value, radix: 16, uppercase: true)
      return (scalar == "\u{FEFF}" ? "a byte-order mark" : "'\(scalar)'")
        + " (U+\(String(repeating: "0", count: max(0, 4 - number.count)))\(number))"
    }
    return "the byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
  }
}
