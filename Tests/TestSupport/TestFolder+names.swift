import Glibc
internal import Platform

/// Moves, links, times and removal: the changes that leave a file's bytes alone.
extension TestFolder {
  package func move(_ name: String, to newName: String) throws {
    guard rename(self / name, self / newName) == 0 else { throw SystemError("rename", name) }
  }

  package func makeLink(_ name: String, to target: String) throws {
    guard symlink(target, self / name) == 0 else { throw SystemError("link", name) }
  }

  package func makeHardLink(_ name: String, to target: String) throws {
    guard link(self / target, self / name) == 0 else { throw SystemError("link", name) }
  }

  /// Removes a file, or a folder with everything in it. A name that does not exist is fine.
  package func remove(_ name: String) throws {
    let inner = open(self / name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    if inner >= 0 {
      Self.empty(inner)
      close(inner)
    }
    guard Glibc.remove(self / name) == 0 || errno == ENOENT else { throw SystemError("remove", name) }
  }

  /// Sets a file's times to now.
  package func touch(_ name: String) throws {
    guard utimensat(AT_FDCWD, self / name, nil, 0) == 0 else { throw SystemError("touch", name) }
  }

  /// Sets the time of a file's last change, in ns since 1970.
  package func setTime(of name: String, nanoseconds: Int64) throws {
    let time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    let times = [time, time]
    guard utimensat(AT_FDCWD, self / name, times, 0) == 0 else { throw SystemError("set the time of", name) }
  }
}
