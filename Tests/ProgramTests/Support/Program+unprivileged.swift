import Glibc
import TestSupport
import Testing

extension Program {
  /// Runs a program as `nobody`, since file modes do not stop root.
  /// - Parameter owned: files in the folder that it should own, in addition to the folder.
  static func unprivileged(
    _ arguments: [String], in folder: TestFolder, environment: [String: String], owned: [String] = []
  ) throws -> Program {
    guard geteuid() == 0 else { return try Program(arguments, in: folder, environment: environment) }
    for path in [folder.path] + owned.map({ folder / $0 }) { #expect(chown(path, nobody, nobody) == 0) }
    return try Program(
      ["--reuid=\(nobody)", "--regid=\(nobody)", "--clear-groups", Program.path] + arguments, in: folder,
      environment: environment.merging(["HOME": "/tmp"]) { $1 }, executable: "/usr/bin/setpriv")
  }
}

private let nobody: UInt32 = 65_534
