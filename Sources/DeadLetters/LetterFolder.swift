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
      guard let name = try next.get().string, name.hasSuffix(LetterFile.suffix) else { continue }
      let content: Result<LetterFile, LetterFile.Malformed>
      do {
        content = .success(try LetterFile.read(try folder.file(name, .read)))
      } catch let malformed as LetterFile.Malformed {
        content = .failure(malformed)
      } catch let error as SystemError {
        // The file was removed in the meantime, for example by another process that replays dead letters.
        if error.code == ENOENT { continue }
        content = .failure(LetterFile.Malformed(reason: "\(error)"))
      }
      try body(Entry(name: name, path: folder.path + "/" + name, content: content))
    }
  }

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
