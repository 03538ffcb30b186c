import Glibc

extension File {
  /// Creates a file without a name under `TMPDIR`, or under `/tmp` if that is not set. Its space is free again once nothing
  /// has it open, also after a crash.
  ///
  /// - Throws: as open(2).
  package static func temporary() throws(SystemError) -> File {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    let path = base + "/image-pipeline-" + String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16)
    let descriptor = try retrying("create", path) { Glibc.open(path, Access.createNew.flags, 0o600) }
    unlink(path)
    return File(descriptor: descriptor, path: path)
  }
}
