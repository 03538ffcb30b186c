import Glibc
import TestSupport

@testable import Platform

/// A file or a folder mounted at a second path, as volumes are in containers. Unmounted with the test.
final class BindMount {
  private let target: String
  private let scratch = TestFolder()
  private var isMounted = false

  struct NotMounted: Error { let reason: String }

  /// Both paths must exist. The right to mount a small disk is enough.
  init(_ source: String, at target: String) throws {
    self.target = target
    try run("/bin/mount", "--bind", source, target)
    isMounted = true
  }

  func makeReadOnly() throws { try run("/bin/mount", "-o", "remount,bind,ro", target) }

  func remove() {
    guard isMounted else { return }
    isMounted = false
    // Lazily, because a consumer of a failed test may still have open files.
    try? run("/bin/umount", "-l", target)
  }

  private func run(_ executable: String, _ arguments: String...) throws {
    let program = try Program(arguments, in: scratch, executable: executable)
    guard program.exitCode() == 0 else { throw NotMounted(reason: program.output) }
  }

  deinit { remove() }
}
