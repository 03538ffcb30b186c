import Glibc
import Kafka
import Platform

/// A file under a name of our own, where nobody renames another version over it: what is looked at there is what is
/// acted upon. Scans leave the name alone, and a kill in between leaves it to the next producer.
struct SetAside {
  private let folder: Folder
  private let leaf: String
  private let place: Folder
  private let name: String

  /// Behind a dot and the file's own name.
  private static let suffix = ".image-pipeline-sent"
  /// A name that is too long for the suffix is kept as it is, in a folder beside it.
  private static let shelter = ".image-pipeline-sent"
  private static let longest = 255

  /// Takes a file out of the way of its writers.
  /// - Returns: nil where it is gone.
  /// - Throws: EEXIST where an earlier one was left there.
  static func take(_ leaf: String, in folder: Folder) throws(SystemError) -> SetAside? {
    let name = "." + leaf + suffix
    let isLong = name.utf8.count > longest
    let file = SetAside(
      folder: folder, leaf: leaf, place: isLong ? try folder.folder(shelter, creating: true) : folder,
      name: isLong ? leaf : name)
    // A look is enough: the name is this producer's alone.
    guard try file.status() == nil else { throw SystemError("set aside", folder.path + "/" + leaf, code: EEXIST) }
    do { try folder.rename(leaf, to: file.place, as: file.name) } catch {
      file.leave()
      guard error.code == ENOENT else { throw error }
      return nil
    }
    return file
  }

  /// One that was left; nil where there is none.
  static func left(_ leaf: String, in folder: Folder) throws(SystemError) -> SetAside? {
    var file = SetAside(folder: folder, leaf: leaf, place: folder, name: "." + leaf + suffix)
    if file.name.utf8.count > longest {
      guard try folder.status(shelter)?.kind == .folder else { return nil }
      file = SetAside(folder: folder, leaf: leaf, place: try folder.folder(shelter, creating: false), name: leaf)
    }
    return try file.status() == nil ? nil : file
  }

  /// The names that files had in a folder before they were set aside.
  /// - Parameters:
  ///   - path: what a scan has found, relative to `root`.
  static func originals(_ path: String, _ kind: FileStatus.Kind, root: String) -> [String] {
    let leaf = path.lastComponent
    // By bytes: as characters, a dot with a combining accent behind it is no dot.
    guard leaf.utf8.first == UInt8(ascii: ".") else { return [] }
    let folder = String(path[..<leaf.startIndex])
    if kind == .folder, leaf == shelter[...] {
      return ((try? Folder.open(root + "/" + path).names()) ?? []).map { folder + $0 }
    }
    let length = leaf.utf8.count - suffix.utf8.count
    guard kind != .folder, length > 1, leaf.utf8.dropFirst(length).elementsEqual(suffix.utf8) else { return [] }
    return [folder + String(leaf.utf8.prefix(length).dropFirst())!]
  }

  /// Of the file itself, not of what a link leads to.
  func status() throws(SystemError) -> FileStatus? { try place.status(name) }

  /// The file itself, for reading.
  func open() throws(SystemError) -> File { try place.file(name, .read) }

  /// Gives it its name back. False where another file has that by now: its writer has replaced this one.
  func putBack() throws(SystemError) -> Bool {
    defer { leave() }
    do { try place.rename(name, to: folder, as: leaf, replacing: false) } catch {
      if error.code == EEXIST { return false }
      // Somebody else has put it back.
      if error.code != ENOENT { throw error }
    }
    return true
  }

  func remove() throws(SystemError) {
    defer { leave() }
    try place.remove(name)
  }

  /// Moves it to a folder of the same file system, where an earlier version may be: both are kept.
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

  /// Leaves nothing behind in the folder of the user's.
  private func leave() { if place !== folder { try? folder.removeFolder(Self.shelter) } }
}
