internal import CSystem

/// The limits that the system sets for this process.
package struct ProcessLimits: Equatable, Sendable {
  /// The maximum number of open descriptors (RLIMIT_NOFILE); 0 if unknown.
  package var openFiles: Int
  /// The memory limit of the whole control group (the container), in bytes; nil if there is none, or none that is
  /// visible from here.
  package var memory: Int?
  /// The number of folders that all processes of this user may watch, and the number of inotify instances they may
  /// create; nil if unknown.
  package var inotifyWatches: Int?
  package var inotifyInstances: Int?

  package static func now() -> ProcessLimits {
    ProcessLimits(
      openFiles: Int(clamping: system_open_file_limit()), memory: groupMemory,
      inotifyWatches: KernelFile.number("/proc/sys/fs/inotify/max_user_watches"),
      inotifyInstances: KernelFile.number("/proc/sys/fs/inotify/max_user_instances"))
  }

  /// Raises the number of open descriptors to `count`, or as far as this process may. The usual limit of 1,024 is only
  /// for programs that call select(2).
  package static func raiseOpenFiles(to count: Int) { system_raise_open_file_limit(UInt(count)) }

  /// In a container, the root of the mounted hierarchy is the container's own group (cgroups(7)).
  private static var groupMemory: Int? {
    let second = KernelFile.number("/sys/fs/cgroup/memory.max")
    let first = KernelFile.number("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    // Without a limit, version 2 reports "max" and version 1 a number near 2^63.
    return (second ?? first).flatMap { $0 < 1 << 60 ? $0 : nil }
  }
}
