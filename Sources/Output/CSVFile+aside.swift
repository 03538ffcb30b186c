import Glibc
import Platform

extension CSVFile {
  /// Moves the file aside by renaming it. If it is mounted by itself, or its folder must not be changed, it is copied
  /// and emptied instead. The copy is next to it, or in `.image-pipeline` if no file can be created there.
  /// - Returns: the path of the file that was moved aside.
  func moveAside(_ file: File, _ heart: Heartbeat?) throws -> String {
    let suffix = ".aside-" + String(WallClock.milliseconds)
    if Glibc.rename(path, path + suffix) == 0 { return path + suffix }
    let code = errno
    guard code == EBUSY || code == EXDEV || Self.forbidsNewFiles(code) else {
      throw SystemError("rename", path, code: code)
    }
    let copy = try makeCopy(suffix)
    do { try fill(copy, from: file, heart) } catch {
      // A partial copy is of no use to anybody, and takes the space that the next attempt needs.
      unlink(copy.path)
      throw error
    }
    try file.truncate(to: 0)
    return copy.path
  }

  private static func forbidsNewFiles(_ code: CInt) -> Bool { [EROFS, EACCES, EPERM].contains(code) }

  private func makeCopy(_ suffix: String) throws(SystemError) -> File {
    do { return try File.open(path + suffix, .createNew) } catch {
      guard Self.forbidsNewFiles(error.code) else { throw error }
    }
    return try catalog.folder.file(path.lastComponent + suffix, .createNew)
  }

  private func fill(_ copy: File, from file: File, _ heart: Heartbeat?) throws {
    var place = 0
    try file.eachPiece { piece in
      try copy.write(piece, at: place)
      place += piece.count
      try heart?.beat()
    }
    try copy.sync()
  }

  /// True for the CSV file itself and for the files that were moved aside, if they are in the output folder.
  /// - Parameters:
  ///   - name: relative to the output folder.
  ///   - path: the CSV file's path.
  static func isItsOwn(_ name: String, at path: String, output: String) -> Bool {
    let leaf = path.lastComponent
    guard name.lastComponent == leaf || name.lastComponent.hasPrefix(leaf + ".aside-") else { return false }
    let folder = path.dropLast(leaf.count)
    let parent = output + "/" + name.dropLast(name.lastComponent.count)
    guard let mine = try? FileStatus.of(folder.isEmpty ? "." : String(folder)), let its = try? FileStatus.of(parent)
    else {
      return false
    }
    return mine.isSameFile(as: its)
  }
}
