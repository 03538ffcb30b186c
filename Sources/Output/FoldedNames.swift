import Platform
import Wire

/// File systems that take several spellings for one name: those of macOS and Windows, also through CIFS or a container's
/// mount, ext4's folders with casefold, some ZFS. Upper and lower case are one there, as a rule the Unicode forms of `é`
/// too. A file stands under the spelling that it was made with.
enum FoldedNames {
  private static let probe = "probe-\u{E9}"
  private static let otherSpellings = ["PROBE-\u{C9}", "probe-e\u{301}"]

  /// Whether an output's file system is one of them.
  /// - Parameter reserved: `root`'s own `.image-pipeline`.
  static func areIn(_ root: Folder, _ reserved: Folder) throws -> Bool {
    func isThere(_ name: String, in folder: Folder, as file: FileStatus) -> Bool {
      ((try? folder.status(name)) ?? nil)?.isSameFile(as: file) == true
    }
    if isThere(ImageName.reserved.uppercased(), in: root, as: try reserved.status()) { return true }
    // It stays there: to remove it would take it from another consumer that looks at the same time.
    let file = try reserved.file(probe, .create).status()
    return otherSpellings.contains { isThere($0, in: reserved, as: file) }
  }

  /// Whether such a file system may take the two for one.
  static func mayBeOne(_ first: String, _ second: String) -> Bool {
    // Equal strings are those of one Unicode form or another.
    first.lowercased() == second.lowercased() || first.uppercased() == second.uppercased()
  }

  /// What the file is called that stands under a name, where that is not the name itself.
  enum Spelling: Equatable {
    case same
    /// nil: it cannot be told, as for the short names of FAT.
    case other(String?)
  }

  /// - Parameter names: of the name's folder, as the file system lists them.
  static func spelling(of name: String, among names: [String]) -> Spelling {
    if names.contains(where: { $0.utf8.elementsEqual(name.utf8) }) { return .same }
    return .other(names.first { mayBeOne($0, name) })
  }
}
