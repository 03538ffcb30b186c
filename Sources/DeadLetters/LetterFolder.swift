import Glibc
import Platform
import Wire

/// The dead letters on an output's disk. Those that were replayed are in its sub-folder `replayed`.
package struct LetterFolder {
  static let replayedName = "replayed"
  private let folder: Folder

  /// Opens the folder without creating it; nil if the output has none.
  static func open(output: String) throws -> LetterFolder? {
    do {
      let reserved = try Folder.open(output).folder(ImageName.reserved, creating: false)
      return LetterFolder(folder: try reserved.folder(DeadLetters.folderName, creating: false))
    } catch let error where error.code == ENOENT {
      return nil
    }
  }

  /// One file of the folder.
  struct Entry {
    let name: String
    let path: String
    /// The dead letter, or why the file is not one.
    let content: Result<LetterFile, LetterFile.Malformed>
  }

  /// Reads the files one at a time, however many there are.
  func each(replayed: Bool, _ body: (Entry) throws -> Void) throws {
    guard let folder = try replayed ? replayedFolder(creating: false) : folder else { return }
    let walker = try FolderWalker(root: folder.path) { _ in false }
    while let next = walker.next() {
      guard let name = try next.get().string, let entry = try Self.entry(name, in: folder) else { continue }
      try body(entry)
    }
  }

  /// A file that was not replayed; nil if there is none of this name.
  func entry(_ name: String) throws -> Entry? { try Self.entry(name, in: folder) }

  private static func entry(_ name: String, in folder: Folder) throws -> Entry? {
    // By bytes: to Swift, a slash followed by a combining accent is another character.
    guard name.hasSuffix(LetterFile.suffix), !name.utf8.contains(UInt8(ascii: "/")), !name.utf8.contains(0) else {
      return nil
    }
    let content: Result<LetterFile, LetterFile.Malformed>
    do {
      content = .success(try LetterFile.read(try folder.file(name, .read)))
    } catch let malformed as LetterFile.Malformed {
      content = .failure(malformed)
    } catch let error as SystemError {
      // The file was removed in the meantime, for example by another process that replays dead letters.
      if error.code == ENOENT { return nil }
      content = .failure(LetterFile.Malformed(reason: "\(error)"))
    }
    return Entry(name: name, path: folder.path + "/" + name, content: content)
  }

  /// The newest files that were not replayed.
  /// - Returns: their names, newest first, and whether there are more.
  func newest(atMost most: Int) throws -> (files: [(name: String, status: FileStatus)], areMore: Bool) {
    var files: [(name: String, status: FileStatus)] = []
    var areMore = false
    func cut() {
      files.sort { ($0.status.modified, $0.name) > ($1.status.modified, $1.name) }
      guard files.count > most else { return }
      areMore = true
      files.removeLast(files.count - most)
    }
    let walker = try FolderWalker(root: folder.path) { _ in false }
    while let next = walker.next() {
      guard let name = try next.get().string, name.hasSuffix(LetterFile.suffix),
        let status = (try? FileStatus.of(folder.path + "/" + name)) ?? nil
      else { continue }
      files.append((name, status))
      if files.count >= 2 * most { cut() }
    }
    cut()
    return (files, areMore)
  }

  /// Why its dead letters cannot be replayed: that could not be remembered. nil if they can be.
  var hindrance: String? {
    if access(folder.path, W_OK) == 0 { return nil }
    return "this user may not write to its folder: use image-pipeline dead-letters --replay as the consumer's user"
  }

  /// Changes when a file is added or removed.
  var modified: Int64? { (try? FileStatus.of(folder.path)).flatMap { $0 }?.modified }

  /// Records that dead letters were replayed. Durable when it returns.
  func setReplayed(_ names: [String]) throws {
    guard !names.isEmpty, let target = try replayedFolder(creating: true) else { return }
    for name in names { try folder.rename(name, to: target, as: name) }
    try target.sync()
    try folder.sync()
  }

  private func replayedFolder(creating: Bool) throws -> Folder? {
    do { return try folder.folder(Self.replayedName, creating: creating) } catch let error where error.code == ENOENT {
      return nil
    }
  }
}
