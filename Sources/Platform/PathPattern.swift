internal import CSystem

/// A glob pattern for paths below a folder, as in .gitignore, but without exceptions.
///
/// - `*`, `?` and `[...]` work as in fnmatch(3), on the characters of one name. `\` makes the next character literal.
/// - A pattern without `/` matches a name at any depth. A pattern with `/` matches the whole path.
/// - `**` between slashes matches any number of folders, including none. `a/**` matches `a` and everything below it.
/// - A trailing `/` matches folders only.
package struct PathPattern: Sendable, Equatable {
  private let components: [String]
  private let matchesAnyDepth: Bool
  private let matchesFoldersOnly: Bool

  /// The reason why a text is not a valid pattern, with the fix: `write / between folders`.
  package struct Fault: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
  }

  /// The characters that a `\` may precede. Before any other character it is a mistake: a Windows folder separator.
  private static let special = Set("*?[]\\{}!,;# ".utf8)

  package init(_ text: String) throws(Fault) {
    try Self.check(text)
    let components = text.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }.filter { $0 != "." }
    guard !components.contains("..") else { throw Fault("write the path below the folder, without ..") }
    guard components.contains(where: { $0 != "*" && $0 != "**" }) else {
      throw Fault("it matches everything; narrow it, or remove it")
    }
    self.components = components
    matchesFoldersOnly = text.utf8.last == UInt8(ascii: "/")
    matchesAnyDepth = components.count == 1 && text.utf8.first != UInt8(ascii: "/")
  }

  private static func check(_ text: String) throws(Fault) {
    var isEscaped = false
    var isInBrackets = false
    for byte in text.utf8 {
      if isEscaped {
        guard special.contains(byte) else {
          throw Fault("write / between folders; \\ only takes the meaning from * ? [ or \\")
        }
        isEscaped = false
        continue
      }
      switch byte {
      case UInt8(ascii: "\\"): isEscaped = true
      case UInt8(ascii: "["): isInBrackets = true
      case UInt8(ascii: "]"): isInBrackets = false
      case UInt8(ascii: "/") where isInBrackets: throw Fault("[ has no ] within the name; write \\[ for the character")
      case UInt8(ascii: "{") where !isInBrackets, UInt8(ascii: "}") where !isInBrackets:
        throw Fault("write a pattern for each choice: braces have no meaning, \\{ is the character")
      case UInt8(ascii: ";") where !isInBrackets: throw Fault("separate patterns with commas; \\; is the character")
      default: break
      }
    }
    if isEscaped { throw Fault("nothing follows the \\ at its end") }
    if isInBrackets { throw Fault("[ has no ]; write \\[ for the character") }
    if text.utf8.first == UInt8(ascii: "!") { throw Fault("exceptions with ! are not known; \\! is the character") }
  }

  /// - Parameter path: relative to the folder, components joined by `/`.
  package func matches(_ path: String, isFolder: Bool) -> Bool {
    guard isFolder || !matchesFoldersOnly else { return false }
    let names = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    if matchesAnyDepth { return names.last.map { Self.matches(components[0], $0) } ?? false }
    return Self.matches(components[...], names[...], isFolder)
  }

  private static func matches(_ pattern: ArraySlice<String>, _ names: ArraySlice<String>, _ isFolder: Bool) -> Bool {
    guard let first = pattern.first else { return names.isEmpty }
    let rest = pattern.dropFirst()
    if first == "**" {
      if rest.isEmpty { return isFolder || !names.isEmpty }
      return names.indices.contains { matches(rest, names[$0...], isFolder) }
    }
    guard let name = names.first, matches(first, name) else { return false }
    return matches(rest, names.dropFirst(), isFolder)
  }

  private static func matches(_ pattern: String, _ name: String) -> Bool {
    system_name_matches(Characters.shared.locale, pattern, name) == 1
  }

  /// The locale for matching; never freed, and read by all threads.
  private struct Characters: @unchecked Sendable {
    static let shared = Characters()
    let locale = system_characters()
  }
}
