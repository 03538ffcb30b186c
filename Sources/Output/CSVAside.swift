import Glibc
import Platform

/// Moves a CSV file aside whose content is not ours.
struct CSVAside {
  let path: String
  /// The folder for the copy if no file can be created next to the CSV file.
  let fallback: Folder

  /// Renames the file. If it is mounted by itself, or its folder must not be changed, it is copied and emptied instead.
  /// - Returns: the path of the file that was moved aside.
  func move(_ file: File, _ heart: Heartbeat?) throws -> String {
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
    return try fallback.file(path.lastComponent + suffix, .createNew)
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
}
