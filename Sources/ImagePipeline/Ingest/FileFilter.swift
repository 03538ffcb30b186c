/// Which files of the input folder are images to be sent, by their names alone.
public struct FileFilter: Sendable {
  /// Lower case; nil: every file.
  private let extensions: Set<String>?

  /// - Parameter extensions: without their dots, in any case; `*` among them takes every file.
  public init(extensions: [String]) {
    self.extensions = extensions.contains("*") ? nil : Set(extensions.map { $0.lowercased() })
  }

  /// Names that programs give to files which they have not finished. Dot-files are left alone too (rsync's are such).
  static let temporarySuffixes = [
    ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".aria2", ".!ut",
    ".swp", ".swx", ".lock", "~",
  ]
  private static let temporaryPrefixes = Array(".~#".utf8)

  /// - Parameter name: a file's own name, without folders.
  public func accepts(_ name: Substring) -> Bool {
    let lower = name.lowercased()
    // By bytes: as characters, a dot with a combining accent behind it is no dot.
    if let first = lower.utf8.first, Self.temporaryPrefixes.contains(first) { return false }
    if Self.temporarySuffixes.contains(where: lower.hasSuffix) { return false }
    guard let extensions else { return true }
    guard let dot = lower.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
    return extensions.contains(String(lower[lower.utf8.index(after: dot)...]))
  }

  /// - Parameter name: a folder's own name.
  public func enters(_ name: Substring) -> Bool { name.utf8.first != UInt8(ascii: ".") }
}

extension String {
  /// A path as the key of a table. As `String`s two names are equal that differ in composed and decomposed letters alone;
  /// on disk they are two files.
  var pathKey: [UInt8] { Array(utf8) }

  /// What stands behind the last slash. By bytes: as characters, a slash with a combining accent behind it is no slash.
  var lastComponent: Substring {
    utf8.lastIndex(of: UInt8(ascii: "/")).map { self[utf8.index(after: $0)...] } ?? self[...]
  }
}
