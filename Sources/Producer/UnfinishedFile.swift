package import Platform

/// Why a file is not taken, moved or deleted yet.
package enum UnfinishedFile: ClassifiedError, CustomStringConvertible {
  /// A program has it open for writing.
  case isOpen
  /// It changes again and again, or while it is read.
  case changes
  /// It is empty, or its length is only reserved.
  case isPlaceholder
  /// The kernel does not tell whether a program has it open, so it has to stay unchanged for longer.
  case mayBeOpen

  package var disposition: Disposition { .transient }

  package var description: String {
    switch self {
    case .isOpen: "a program has it open for writing: close it there"
    case .changes:
      "it keeps changing, even while it is read: move images here when they are complete; files of the system, such as those of "
        + "/proc, cannot be sent"
    case .isPlaceholder: "it is empty: its writer may still fill it"
    case .mayBeOpen:
      "the kernel does not report whether it is open: it belongs to another user, or is on a network file system"
    }
  }

  /// After this many tries, `SETTLE_MS` apart, the file is reported, and `--once` stops waiting for it.
  static let mostTries = 10
  /// A file that may be open is moved or deleted after this many looks, `SETTLE_MS` apart, that found it unchanged.
  static let looks = 10
}
