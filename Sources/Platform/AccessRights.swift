import Glibc

/// Checks what this process may do with a path, without doing it (access(2), with the effective uid).
package enum AccessRights {
  package enum Right: Sendable {
    case read, write
    /// To look up names in a folder.
    case enter

    fileprivate var mode: CInt {
      switch self {
      case .read: R_OK
      case .write: W_OK
      case .enter: X_OK
      }
    }
  }

  /// - Returns: the error of the first missing right; nil if none is missing.
  package static func missing(_ rights: [Right], on path: String) -> SystemError? {
    for right in rights where faccessat(AT_FDCWD, path, right.mode, AT_EACCESS) != 0 {
      let code = errno
      return SystemError(right == .write ? "write" : "read", path, code: code)
    }
    return nil
  }

  /// The path itself if it exists, otherwise its nearest existing parent: the folder in which missing folders would be
  /// created.
  package static func nearestThere(_ path: String) -> String {
    var place = path
    while ((try? FileStatus.of(place)) ?? nil) == nil {
      guard let above = PathRule.split(place)?.parent, above != place else { return place }
      place = above
    }
    return place
  }
}
