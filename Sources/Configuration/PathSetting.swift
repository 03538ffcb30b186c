/// The path of a folder or file in a setting. Nothing in it is expanded, unlike in a shell.
enum PathSetting {
  /// - Parameters:
  ///   - home: the user's home folder, if it is known.
  /// - Returns: how to correct a path that cannot be what the user meant; otherwise nil.
  static func fix(_ path: String, home: String?) -> String? {
    if path == "~" || path.hasPrefix("~/") {
      return "only a shell knows ~; use \(home ?? "the folder's whole path")\(home == nil ? "" : path.dropFirst())"
    }
    let characters = Array(path.unicodeScalars.prefix(3))
    if characters.count > 1, characters[0] == "$", characters[1] == "{" || characters[1].properties.isAlphabetic {
      return "only a shell replaces variables; use the path itself (or ./\(path) for a folder of that name)"
    }
    if characters.count > 2, characters[0].isASCII, characters[0].properties.isAlphabetic, characters[1] == ":",
      characters[2] == "\\" || characters[2] == "/"
    {
      return
        "it is a Windows path; use a path of this system (in WSL /mnt/\(characters[0].properties.lowercaseMapping)/...)"
    }
    if let scheme = path.range(of: "://"), path[..<scheme.lowerBound].allSatisfy({ $0.isLetter || $0.isNumber }) {
      return "it is a URL; use a path of this system"
    }
    return nil
  }

  /// The path without slashes at its end, which mean nothing.
  static func trimmed(_ path: String) -> String {
    var bytes = Array(path.utf8)
    while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension String {
  /// The range of the first occurrence of a text. It exists because Foundation is not used.
  fileprivate func range(of text: String) -> Range<Index>? {
    indices.first { self[$0...].hasPrefix(text) }.map { $0..<index($0, offsetBy: text.count) }
  }
}
