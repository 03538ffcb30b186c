/// Cleans the values of environment variables from what files and shells leave around them: white space, Windows line
/// ends, a byte-order mark, quotes.
package enum SettingText {
  /// The text without white space and byte-order marks at both ends.
  static func trimmed(_ text: some StringProtocol) -> String {
    var scalars = Substring(text).unicodeScalars
    while let first = scalars.first, isSpace(first) { scalars.removeFirst() }
    while let last = scalars.last, isSpace(last) { scalars.removeLast() }
    return String(Substring(scalars))
  }

  /// The text trimmed, and without quotes that enclose all of it: no value needs them, and `docker --env-file` keeps
  /// them.
  package static func unquoted(_ text: some StringProtocol) -> String {
    let value = trimmed(text)
    for quote: Unicode.Scalar in ["\"", "'"] {
      let scalars = value.unicodeScalars
      guard scalars.count > 1, scalars.first == quote, scalars.last == quote,
        !scalars.dropFirst().dropLast().contains(quote)
      else { continue }
      return trimmed(Substring(scalars.dropFirst().dropLast()))
    }
    return value
  }

  /// The text of a secret. Only line ends at its end and a byte-order mark at its start are removed; anything else may
  /// be part of it.
  package static func secret(_ text: some StringProtocol) -> String {
    var scalars = Substring(text).unicodeScalars
    if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
    while let last = scalars.last, last == "\r" || last == "\n" { scalars.removeLast() }
    return String(Substring(scalars))
  }

  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || scalar == "\u{FEFF}" || scalar == "\u{200B}"
  }
}
