import Glibc
import TestSupport

@testable import Platform

/// A folder on a case-folding file system: an ext4 of its own, which only root can mount and not every kernel supports,
/// or below the folder in TEST_FOLDING_FOLDER.
final class FoldingDisk {
  let path: String
  private let scratch = TestFolder()
  private var mounted: String?

  static let isPermitted: Bool = {
    if let disk = try? FoldingDisk(), (try? disk.folds) == true { return true }
    print(
      "The tests of folded names are skipped: ext4 with casefold cannot be mounted here, and TEST_FOLDING_FOLDER is not set"
    )
    return false
  }()

  private struct NotMade: Error { let reason: String }

  init() throws {
    let name = "folding-\(UInt32.random(in: 0...UInt32.max))"
    if let folder = getenv("TEST_FOLDING_FOLDER").map({ String(cString: $0) }) {
      path = folder + "/" + name
      _ = try Folder.create(path)
      return
    }
    let mount = scratch.path + "/disk"
    path = mount + "/" + name
    _ = try Folder.create(mount)
    let image = scratch.path + "/disk.img"
    try File.open(image, .createNew).truncate(to: 32 << 20)
    guard geteuid() == 0 else { throw NotMade(reason: "only root can mount") }
    try run("/sbin/mkfs.ext4", "-q", "-O", "casefold", "-E", "encoding=utf8", image)
    try run("/bin/mount", "-o", "loop", image, mount)
    mounted = mount
    _ = try Folder.create(path)
    try run("/usr/bin/chattr", "+F", path)
  }

  private var folds: Bool {
    get throws {
      _ = try File.open(path + "/probe", .create)
      return try FileStatus.of(path + "/PROBE") != nil
    }
  }

  private func run(_ executable: String, _ arguments: String...) throws {
    let program = try Program(arguments, in: scratch, executable: executable)
    guard program.exitCode() == 0 else { throw NotMade(reason: program.output) }
  }

  deinit {
    _ = try? Program(["-rf", path], in: scratch, executable: "/bin/rm").exitCode()
    if let mounted { try? run("/bin/umount", "-l", mounted) }
  }
}
