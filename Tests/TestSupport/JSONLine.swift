/// A line that is a JSON object of strings, numbers and booleans: of a log in that format, or of a command's own output. A
/// minimal, strict parser.
package struct JSONLine: Sendable, CustomStringConvertible {
  /// The values by their names: strings without quotes and escapes, all others as they are written.
  package private(set) var members: [String: String] = [:]
  package let description: String
  private var rest: Substring.UnicodeScalarView

  package init?(_ line: some StringProtocol) {
    description = String(line)
    rest = Substring(description).unicodeScalars
    guard take("{") else { return nil }
    repeat {
      guard let name = string(), take(":"), let value = value(), members.updateValue(value, forKey: name) == nil
      else { return nil }
    } while take(",")
    guard take("}"), rest.isEmpty else { return nil }
  }

  package subscript(name: String) -> String? { members[name] }

  /// The whole number of a member; nil if there is none.
  package func number(_ name: String) -> Int? { members[name].flatMap { Int($0) } }

  /// Whether it has at least these members.
  package func has(_ members: [String: String]) -> Bool { members.allSatisfy { self.members[$0.key] == $0.value } }

  /// The objects of a text, whose other lines are left out.
  package static func all(in text: String) -> [JSONLine] { text.split(separator: "\n").compactMap { JSONLine($0) } }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard rest.first == scalar else { return false }
    rest.removeFirst()
    return true
  }

  private static let escapes: [Unicode.Scalar: Unicode.Scalar] = [
    "\"": "\"", "\\": "\\", "/": "/", "b": "\u{8}", "f": "\u{C}", "n": "\n", "r": "\r", "t": "\t",
  ]

  private mutating func string() -> String? {
    guard take("\"") else { return nil }
    var text = String.UnicodeScalarView()
    while let scalar = rest.popFirst() {
      if scalar == "\"" { return String(text) }
      guard scalar.value >= 0x20 else { return nil }
      guard scalar == "\\" else {
        text.append(scalar)
        continue
      }
      guard let name = rest.popFirst(), let escaped = name == "u" ? codePoint() : Self.escapes[name] else { return nil }
      text.append(escaped)
    }
    return nil
  }

  /// The four digits after `\u`. The program writes no surrogates.
  private mutating func codePoint() -> Unicode.Scalar? {
    let digits = rest.prefix(4)
    rest = rest.dropFirst(4)
    return digits.count == 4 ? UInt32(String(digits), radix: 16).flatMap { Unicode.Scalar($0) } : nil
  }

  private mutating func value() -> String? {
    if rest.first == "\"" { return string() }
    var text = ""
    while let scalar = rest.first, scalar != ",", scalar != "}" {
      text.unicodeScalars.append(scalar)
      rest.removeFirst()
    }
    return ["true", "false", "null"].contains(text) || Double(text) != nil ? text : nil
  }
}
