import Glibc

/// The resources that this process uses, as counted by the kernel (getrusage(2), proc(5)).
package struct ProcessStatistics: Sendable {
  /// User and system time since the start.
  package let processorSeconds: Double
  /// Resident memory in bytes, now.
  package let residentMemory: Int
  package let openFiles: Int

  package static func now() -> ProcessStatistics {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    let seconds = { (time: timeval) in Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
    return ProcessStatistics(
      processorSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime), residentMemory: residentPages() * pageSize,
      // The listing itself uses one of the descriptors.
      openFiles: max(0, ((try? Folder.open("/proc/self/fd").names().count) ?? 1) - 1))
  }

  private static let pageSize = sysconf(CInt(_SC_PAGESIZE))

  private static func residentPages() -> Int {
    guard let file = try? File.open("/proc/self/statm", .read) else { return 0 }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }) ?? 0
    let fields = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: " ")
    return fields.count > 1 ? Int(fields[1]) ?? 0 : 0
  }
}
