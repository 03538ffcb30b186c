import Glibc
import Kafka
import Platform

/// A file under a temporary name that only this program uses. No writer renames another version over it, so the file
/// that is checked is the file that is moved or deleted. Scans ignore the name. If the program is killed in between,
/// the next producer takes care of the file.
struct SetAside {
  private let folder: Folder
  private let leaf: String
  private let place: Folder
  private let name: String

  /// Follows a dot and the file's own name.
  private static let suffix = ".image-pipeline-sent"
  /// A folder next to files whose names are too long for the suffix. They are set aside in it, under their own names.
  private static let shelter = ".image-pipeline-sent"
  private static let longest = 255

  /// Renames a file so that its writers do not reach it any more.
  /// - Returns: nil if the file is gone.
  /// - Throws: EEXIST if an earlier file was left under the temporary name.
  static func take(_ leaf: String, in folder: Folder) throws(SystemError) -> SetAside? {
    let name = "." + leaf + suffix
    let isLong = name.utf8.count > longest
    let file = SetAside(
      folder: folder, leaf: leaf, place: isLong ? try folder.folder(shelter, creating: true) : folder,
      name: isLong ? leaf : name)
    // Checking first is enough, because only this producer uses the name.
    guard try file.status() == nil else { throw SystemError("set aside", folder.path + "/" + leaf, code: EEXIST) }
    do { try folder.rename(leaf, to: file.place, as: file.name) } catch {
      file.leave()
      guard error.code == ENOENT else { throw error }
      return nil
    }
    return file
  }

  /// A file that was left set aside; nil if there is none.
  static func left(_ leaf: String, in folder: Folder) throws(SystemError) -> SetAside? {
    var file = SetAside(folder: folder, leaf: leaf, place: folder, name: "." + leaf + suffix)
    if file.name.utf8.count > longest {
      guard try folder.status(shelter)?.kind == .folder else { return nil }
      file = SetAside(folder: folder, leaf: leaf, place: try folder.folder(shelter, creating: false), name: leaf)
    }
    return try file.status() == nil ? nil : file
  }

  /// The original paths of files that are set aside; empty if the entry is none of them.
  /// - Parameters:
  ///   - path: the path of an entry that a scan has found, relative to `root`.
  static func originals(_ path: String, _ kind: FileStatus.Kind, root: String) -> [String] {
    let leaf = path.lastComponent
    // By bytes: as a Character, a dot with a combining accent after it is not a dot.
    guard leaf.utf8.first == UInt8(ascii: ".") else { return [] }
    let folder = String(path[..<leaf.startIndex])
    if kind == .folder, leaf == shelter[...] {
      return ((try? Folder.open(root + "/" + path).names()) ?? []).map { folder + $0 }
    }
    let length = leaf.utf8.count - suffix.utf8.count
    guard kind != .folder, length > 1, leaf.utf8.dropFirst(length).elementsEqual(suffix.utf8) else { return [] }
    return [folder + String(leaf.utf8.prefix(length).dropFirst())!]
  }

  /// The status of the file itself, not of a link's target.
  func status() throws(SystemError) -> FileStatus? { try place.status(name) }

  /// Opens the file itself for reading.
  func open() throws(SystemError) -> File { try place.file(name, .read) }

  /// Gives the file its name back. Returns false if another file has that name by now: its writer has replaced this
  /// one.
  func putBack() throws(SystemError) -> Bool {
    defer { leave() }
    do { try place.rename(name, to: folder, as: leaf, replacing: false) } catch {
      if error.code == EEXIST { return false }
      // Somebody else has already put it back.
      if error.code != ENOENT { throw error }
    }
    return true
  }

  func remove() throws(SystemError) {
    defer { leave() }
    try place.remove(name)
  }

  /// Moves the file to a folder on the same file system. If an earlier version is there, both are kept.
  func move(to target: Folder) throws(SystemError) {
    defer { leave() }
    var number = 1
    while true {
      do {
        return try place.rename(
          name, to: target, as: number == 1 ? leaf : "\(leaf).\(number)", replacing: false)
      } catch { if error.code != EEXIST { throw error } }
      number += 1
    }
  }

  /// Removes the shelter folder if it is empty, so that nothing is left in the user's folder.
  private func leave() { if place !== folder { try? folder.removeFolder(Self.shelter) } }
}
