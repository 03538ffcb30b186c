import Platform
import Wire

/// The value of IMAGE_EXTENSIONS as people write it: `jpg,png`, `*.jpg, *.png`, `.jpg;.png`, `jpg png`.
enum ExtensionList {
  /// How to fix a value that cannot be what the user meant.
  struct Fault: Error { let fix: String }

  /// - Returns: the extensions without dots; `*` for every file.
  static func parse(_ text: String) throws(Fault) -> [String] {
    var extensions: [String] = []
    for item in text.split(whereSeparator: { $0 == "," || $0 == ";" || $0.isWhitespace }) {
      let name = SettingText.unquoted(item)
      if name == "*" || name == "*.*" {
        extensions.append("*")
        continue
      }
      let one = String((name.hasPrefix("*.") ? name.dropFirst() : name[...]).drop { $0 == "." })
      if one.isEmpty { continue }
      try check(one)
      extensions.append(one)
    }
    guard !extensions.isEmpty else { throw Fault(fix: "list extensions, as in jpg,png, or use * for every file") }
    return extensions
  }

  private static func check(_ one: String) throws(Fault) {
    if let wrong = one.first(where: { "/\\*?[](){}|:<>\"'`!=&%".contains($0) }) {
      throw Fault(
        fix: "\"\(one)\" is not an extension because of its \(wrong); list them one by one, as in jpg,jpeg,png")
    }
    if one.utf8.contains(UInt8(ascii: ".")) {
      let last = FileFilter.ending(of: one) ?? one
      throw Fault(fix: "an extension is what follows the last dot: use \(last) instead of \(one)")
    }
    if !FileFilter(extensions: ["*"]).accepts("a." + one) {
      throw Fault(fix: "files that end in .\(one) are left alone, because programs have not finished them; remove it")
    }
  }
}
