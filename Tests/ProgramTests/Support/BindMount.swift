import Glibc

@testable import Platform

/// A file or a folder that stands in a second place, as volumes do in containers: unmounted with the test.
final class BindMount {
  private let target: String
  private let scratch = Scratch()
  private var isMounted = false

  struct NotMounted: Error { let reason: String }

  /// Both are there already. Where a small disk may be mounted, this may be too.
  init(_ source: String, at target: String) throws {
    self.target = target
    try run("/bin/mount", "--bind", source, target)
    isMounted = true
  }

  func makeReadOnly() throws { try run("/bin/mount", "-o", "remount,bind,ro", target) }

  func remove() {
    guard isMounted else { return }
    isMounted = false
    // Lazily: a consumer of a test that failed may still have files open there.
    try? run("/bin/umount", "-l", target)
  }

  private func run(_ executable: String, _ arguments: String...) throws {
    let program = try Program(arguments, in: scratch, executable: executable)
    guard program.exitCode() == 0 else { throw NotMounted(reason: program.output) }
  }

  deinit { remove() }
}
