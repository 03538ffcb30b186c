import Platform
import Wire

/// File systems that treat several spellings as one name: those of macOS and Windows, also through CIFS or a
/// container's mount, ext4 folders with casefold, and some ZFS. There, upper and lower case are the same, and usually
/// the Unicode forms of `é` are too. A file keeps the spelling that it was created with.
enum FoldedNames {
  private static let probe = "probe-\u{E9}"
  private static let otherSpellings = ["PROBE-\u{C9}", "probe-e\u{301}"]

  /// Whether an output is on such a file system.
  /// - Parameter reserved: `root`'s own `.image-pipeline`.
  static func areIn(_ root: Folder, _ reserved: Folder) throws -> Bool {
    func isThere(_ name: String, in folder: Folder, as file: FileStatus) -> Bool {
      ((try? folder.status(name)) ?? nil)?.isSameFile(as: file) == true
    }
    if isThere(ImageName.reserved.uppercased(), in: root, as: try reserved.status()) { return true }
    // The file is kept: another consumer that probes at the same time may need it.
    let file = try reserved.file(probe, .create).status()
    return otherSpellings.contains { isThere($0, in: reserved, as: file) }
  }

  /// Whether such a file system may treat the two as one name.
  static func mayBeOne(_ first: String, _ second: String) -> Bool {
    // Swift's comparison already ignores the Unicode form.
    first.lowercased() == second.lowercased() || first.uppercased() == second.uppercased()
  }

  /// The spelling of the file that is found under a name, compared with that name.
  enum Spelling: Equatable {
    case same
    /// nil if the spelling is unknown, as for the short names of FAT.
    case other(String?)
  }

  /// - Parameter names: all names in the folder, as the file system lists them.
  static func spelling(of name: String, among names: [String]) -> Spelling {
    if names.contains(where: { $0.utf8.elementsEqual(name.utf8) }) { return .same }
    return .other(names.first { mayBeOne($0, name) })
  }
}
