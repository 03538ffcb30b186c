import Glibc
import Platform

/// What becomes of a file once the broker and the ledger have it.
public enum AfterSentAction: String, Sendable, CaseIterable {
  case keep, move, delete
}

struct AfterSent: Sendable {
  let action: AfterSentAction
  let input: String
  /// Where `move` takes files, under their names.
  let sentFolder: String

  /// - Throws: `SystemError`, or `MoveRefusal` where files could not be moved as is asked.
  func check() throws {
    guard action == .move else { return }
    let (target, source) = (try Folder.create(sentFolder).status(), try Folder.open(input).status())
    guard target.device == source.device else {
      throw MoveRefusal(
        description: "SENT_DIR=\(sentFolder) is on another file system than the images: files are "
          + "renamed into it, so set it to a folder on theirs")
    }
    guard target.inode != source.inode else {
      throw MoveRefusal(description: "SENT_DIR=\(sentFolder) is the folder of the images itself: set it to another one")
    }
  }

  /// Returns true where the file is out of the input folder. A file that was altered since it was read is left alone: it
  /// will be sent again.
  func perform(_ path: String, _ stamp: FileStamp) throws -> Bool {
    guard action != .keep else { return false }
    guard let status = try FileStatus.of(input + "/" + path), FileStamp(status) == stamp else { return false }
    let (folder, leaf) = try split(path, below: input, creating: false)
    switch action {
    case .keep: return false
    case .delete: try folder.remove(leaf)
    case .move:
      let (target, _) = try split(path, below: sentFolder, creating: true)
      // An earlier version of the image may be there: both are kept.
      var number = 1
      while try !moved(leaf, from: folder, to: target, as: number == 1 ? leaf : "\(leaf).\(number)") { number += 1 }
    }
    return true
  }

  private func moved(_ leaf: String, from folder: Folder, to target: Folder, as name: String) throws -> Bool {
    do { try folder.rename(leaf, to: target, as: name, replacing: false) } catch {
      if error.code == EEXIST { return false }
      throw error
    }
    return true
  }

  private func split(_ path: String, below root: String, creating: Bool) throws -> (Folder, String) {
    // By bytes: as characters, a slash with a combining accent behind it is no slash.
    let components = path.utf8.split(separator: UInt8(ascii: "/")).map { String($0)! }
    var folder = creating ? try Folder.create(root) : try Folder.open(root)
    for component in components.dropLast() { folder = try folder.folder(component, creating: creating) }
    return (folder, components[components.count - 1])
  }
}

struct MoveRefusal: Error, CustomStringConvertible {
  let description: String
}
