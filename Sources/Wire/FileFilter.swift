package import Platform

/// Decides by path alone which files below the input folder are images to send.
package struct FileFilter: Sendable {
  /// The kind of a file, as its path shows it.
  package enum Verdict: Equatable {
    case image
    /// Its extension does not count as one of an image.
    case otherExtension
    /// Hidden, or still being written by a program.
    case unfinished
    /// A file of the storage or the operating system.
    case system
    /// A pattern of `IMAGE_EXCLUDE` matches it.
    case excluded
  }

  /// In lower case; nil: every file is accepted.
  private let extensions: Set<String>?
  private let excluded: [PathPattern]

  /// - Parameters:
  ///   - extensions: without dots, in any case. `*` accepts every file.
  ///   - excluded: patterns of files and folders that are left alone regardless of their extension.
  package init(extensions: [String], excluding excluded: [PathPattern] = []) {
    self.extensions = extensions.contains("*") ? nil : Set(extensions.map { $0.lowercased() })
    self.excluded = excluded
  }

  /// Suffixes that programs give to unfinished files. Dot-files, such as those of rsync, are left alone too.
  static let temporarySuffixes = [
    ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".aria2", ".!ut",
    ".swp", ".swx", ".lock", "~",
  ]
  private static let temporaryPrefixes = Array(".~#".utf8)

  /// - Parameter path: relative to the input folder. Its folders are not checked again: they have been entered.
  package func verdict(_ path: String) -> Verdict {
    let lower = path.lastComponent.lowercased()
    // Compared by bytes, because a dot followed by a combining accent is a different character.
    if let first = lower.utf8.first, Self.temporaryPrefixes.contains(first) { return .unfinished }
    if Self.temporarySuffixes.contains(where: lower.hasSuffix) { return .unfinished }
    if SystemNames.isFile(lower) { return .system }
    if isExcluded(path, isFolder: false) { return .excluded }
    guard let extensions else { return .image }
    return Self.ending(of: lower).map(extensions.contains) == true ? .image : .otherExtension
  }

  package func accepts(_ path: String) -> Bool { verdict(path) == .image }

  /// - Parameter path: the path of a folder, relative to the input folder.
  package func enters(_ path: String) -> Bool {
    let name = path.lastComponent
    return name.utf8.first != UInt8(ascii: ".") && !SystemNames.isFolder(name.lowercased())
      && !isExcluded(path, isFolder: true)
  }

  /// Whether there are patterns that exclude files.
  package var hasPatterns: Bool { !excluded.isEmpty }

  package func isExcluded(_ path: String, isFolder: Bool) -> Bool {
    excluded.contains { $0.matches(path, isFolder: isFolder) }
  }

  /// Whether a file, or one of its folders, belongs to the storage or the operating system.
  package static func isOfSystem(_ path: String) -> Bool {
    let components = path.lowercased().utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    guard let leaf = components.last else { return false }
    return SystemNames.isFile(leaf) || leaf.hasPrefix("._") || leaf == ".ds_store"
      || components.dropLast().contains(where: SystemNames.isFolder)
  }

  /// The extension: what follows the last dot of a file's own name; nil if there is no dot.
  package static func ending(of name: String) -> String? {
    name.utf8.lastIndex(of: UInt8(ascii: ".")).map { String(name[name.utf8.index(after: $0)...]) }
  }
}

extension String {
  /// A path as the key of a table. As `String`s, two names are equal if they differ only in composed and decomposed
  /// letters. On disk they are two files.
  package var pathKey: [UInt8] { Array(utf8) }

  /// The part after the last slash. Searched by bytes, because a slash followed by a combining accent is a different
  /// character.
  package var lastComponent: Substring {
    utf8.lastIndex(of: UInt8(ascii: "/")).map { self[utf8.index(after: $0)...] } ?? self[...]
  }
}
