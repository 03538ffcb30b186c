package import Platform

/// Which files below the input folder are images to be sent, by their paths alone.
package struct FileFilter: Sendable {
  /// What a file is by its path.
  package enum Verdict: Equatable {
    case image
    /// Its extension is none of those that count as images.
    case otherExtension
    /// Hidden, or not finished by the program that writes it.
    case unfinished
    /// The storage's or the operating system's own.
    case system
    /// A pattern of `IMAGE_EXCLUDE` matches it.
    case excluded
  }

  /// Lower case; nil: every file.
  private let extensions: Set<String>?
  private let excluded: [PathPattern]

  /// - Parameters:
  ///   - extensions: without their dots, in any case; `*` among them takes every file.
  ///   - excluded: files and folders that are left alone all the same.
  package init(extensions: [String], excluding excluded: [PathPattern] = []) {
    self.extensions = extensions.contains("*") ? nil : Set(extensions.map { $0.lowercased() })
    self.excluded = excluded
  }

  /// Names that programs give to files which they have not finished. Dot-files are left alone too (rsync's are such).
  static let temporarySuffixes = [
    ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".aria2", ".!ut",
    ".swp", ".swx", ".lock", "~",
  ]
  private static let temporaryPrefixes = Array(".~#".utf8)

  /// - Parameter path: relative to the input folder; its folders have been entered.
  package func verdict(_ path: String) -> Verdict {
    let lower = path.lastComponent.lowercased()
    // By bytes: as characters, a dot with a combining accent behind it is no dot.
    if let first = lower.utf8.first, Self.temporaryPrefixes.contains(first) { return .unfinished }
    if Self.temporarySuffixes.contains(where: lower.hasSuffix) { return .unfinished }
    if SystemNames.isFile(lower) { return .system }
    if isExcluded(path, isFolder: false) { return .excluded }
    guard let extensions else { return .image }
    return Self.ending(of: lower).map(extensions.contains) == true ? .image : .otherExtension
  }

  package func accepts(_ path: String) -> Bool { verdict(path) == .image }

  /// - Parameter path: a folder's, relative to the input folder.
  package func enters(_ path: String) -> Bool {
    let name = path.lastComponent
    return name.utf8.first != UInt8(ascii: ".") && !SystemNames.isFolder(name.lowercased())
      && !isExcluded(path, isFolder: true)
  }

  /// Whether anything can be excluded.
  package var hasPatterns: Bool { !excluded.isEmpty }

  package func isExcluded(_ path: String, isFolder: Bool) -> Bool {
    excluded.contains { $0.matches(path, isFolder: isFolder) }
  }

  /// Whether a file, or one of its folders, is the storage's or the operating system's own.
  package static func isOfSystem(_ path: String) -> Bool {
    let components = path.lowercased().utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    guard let leaf = components.last else { return false }
    return SystemNames.isFile(leaf) || leaf.hasPrefix("._") || leaf == ".ds_store"
      || components.dropLast().contains(where: SystemNames.isFolder)
  }

  /// What follows the last dot of a file's own name; nil if there is no dot.
  package static func ending(of name: String) -> String? {
    name.utf8.lastIndex(of: UInt8(ascii: ".")).map { String(name[name.utf8.index(after: $0)...]) }
  }
}

extension String {
  /// A path as the key of a table. As `String`s two names are equal that differ in composed and decomposed letters alone;
  /// on disk they are two files.
  package var pathKey: [UInt8] { Array(utf8) }

  /// What stands behind the last slash. By bytes: as characters, a slash with a combining accent behind it is no slash.
  package var lastComponent: Substring {
    utf8.lastIndex(of: UInt8(ascii: "/")).map { self[utf8.index(after: $0)...] } ?? self[...]
  }
}
