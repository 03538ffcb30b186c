import Glibc
import Platform

extension CSVFile {
  /// Renames the file, or copies and empties it where it is a mount point of its own. Returns where it is now.
  func moveAside(_ file: File, _ heart: Heartbeat?) throws -> String {
    let aside = path + ".aside-" + String(Clock.wallMilliseconds)
    if Glibc.rename(path, aside) == 0 { return aside }
    let code = errno
    guard code == EBUSY || code == EXDEV else { throw SystemError("rename", path, code: code) }
    let copy = try File.open(aside, .createNew)
    do {
      var place = 0
      try file.eachPiece { piece in
        try copy.write(piece, at: place)
        place += piece.count
        try heart?.beat()
      }
      try copy.sync()
    } catch {
      // A part of it is of no use to anybody, and takes the room that the next attempt needs.
      unlink(aside)
      throw error
    }
    try file.truncate(to: 0)
    return aside
  }
}
