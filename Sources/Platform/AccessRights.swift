import Glibc

/// What this process may do with a path, asked without doing it (access(2), by the effective uid).
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

  /// - Returns: why it may not; nil where it may.
  package static func missing(_ rights: [Right], on path: String) -> SystemError? {
    for right in rights where faccessat(AT_FDCWD, path, right.mode, AT_EACCESS) != 0 {
      let code = errno
      return SystemError(right == .write ? "write" : "read", path, code: code)
    }
    return nil
  }

  /// The path itself, or the nearest folder above it that is there: where what is missing would be made.
  package static func nearestThere(_ path: String) -> String {
    var place = path
    while ((try? FileStatus.of(place)) ?? nil) == nil {
      guard let above = PathRule.split(place)?.parent, above != place else { return place }
      place = above
    }
    return place
  }
}
