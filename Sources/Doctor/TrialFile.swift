import Glibc

/// Names for files that are created to try something out.
enum TrialFile {
  /// A name that nobody else uses. The process id alone is not unique: in a container of its own, each process has
  /// number 1, and a process that was killed leaves its files.
  static func name(_ prefix: String) -> String {
    "\(prefix)\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
  }
}
