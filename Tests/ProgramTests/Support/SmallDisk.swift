import Glibc
import TestSupport

@testable import Platform

/// A file system in memory, unmounted with the test.
final class SmallDisk {
  private let path: String
  private let scratch = TestFolder()
  private var isMounted = true

  static let isPermitted: Bool = {
    let folder = TestFolder()
    guard let disk = try? SmallDisk(at: folder.path + "/try", bytes: 1 << 20) else {
      print("The tests of full and read-only disks are skipped: mounting one is not permitted")
      return false
    }
    disk.remove()
    return true
  }()

  struct NotMounted: Error { let reason: String }

  init(at path: String, bytes: Int) throws {
    self.path = path
    _ = try Folder.create(path)
    let mount = try Program(
      ["-t", "tmpfs", "-o", "size=\(bytes)", "tmpfs", path], in: scratch, executable: "/bin/mount")
    guard geteuid() == 0, mount.exitCode() == 0 else {
      isMounted = false
      throw NotMounted(reason: mount.output)
    }
  }

  /// The system refuses this while a file there is open for writing.
  func makeReadOnly() throws {
    let mount = try Program(["-o", "remount,ro", path], in: scratch, executable: "/bin/mount")
    guard mount.exitCode() == 0 else { throw NotMounted(reason: mount.output) }
  }

  func remove() {
    guard isMounted else { return }
    isMounted = false
    // Lazily, because a consumer of a failed test may still have open files.
    _ = try? Program(["-l", path], in: scratch, executable: "/bin/umount").exitCode()
  }

  deinit { remove() }
}
