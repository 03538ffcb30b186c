import Glibc

/// The names of files that are made to try something out.
enum TrialFile {
  /// One that nobody else uses: in a container of its own each process is number 1, and one that was killed leaves its files.
  static func name(_ prefix: String) -> String {
    "\(prefix)\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
  }
}
