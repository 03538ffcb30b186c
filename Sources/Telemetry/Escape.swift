/// Makes text harmless for its reader: it cannot end the line, control the terminal or reverse the direction of the
/// text.
package enum Escape {
  /// For people: unsafe characters become `\n`, `\r`, `\t` or an escape such as `\u001b`; the rest is unchanged.
  package static func terminal(_ text: String) -> String {
    if isPlain(text) { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isUnsafe(scalar) { result += escaped(scalar) } else { result.unicodeScalars.append(scalar) }
    }
    return result
  }

  /// A JSON string with its quotes (RFC 8259, section 7); also safe for a terminal.
  static func json(_ text: String) -> String {
    if isPlain(text), !text.utf8.contains(where: { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) {
      return "\"" + text + "\""
    }
    var result = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" {
        result += "\\"
        result.unicodeScalars.append(scalar)
      } else if isUnsafe(scalar) {
        result += escaped(scalar)
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  // Printable ASCII, like nearly all text: checking bytes is much cheaper than checking scalars.
  private static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { (0x20..<0x7F).contains($0) } }

  private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0: true  // C0, DEL and C1, which holds one-character forms of ESC [
    case 0x2028, 0x2029: true  // line and paragraph separator
    case 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true  // direction
    default: false
    }
  }

  // All of them are below U+10000, so one \u is enough.
  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    default:
      let digits = String(scalar.value, radix: 16)
      return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
  }
}
