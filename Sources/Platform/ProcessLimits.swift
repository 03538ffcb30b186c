internal import CSystem

/// What the system lets this process have.
package struct ProcessLimits: Equatable, Sendable {
  /// Descriptors at a time (RLIMIT_NOFILE); 0: unknown.
  package var openFiles: Int
  /// In bytes, of the whole control group, which a container is; nil: no limit, or none that shows from here.
  package var memory: Int?
  /// Folders that all processes of this user may watch, and how many processes may watch some; nil: unknown.
  package var inotifyWatches: Int?
  package var inotifyInstances: Int?

  package static func now() -> ProcessLimits {
    ProcessLimits(
      openFiles: Int(clamping: system_open_file_limit()), memory: groupMemory,
      inotifyWatches: KernelFile.number("/proc/sys/fs/inotify/max_user_watches"),
      inotifyInstances: KernelFile.number("/proc/sys/fs/inotify/max_user_instances"))
  }

  /// In a container its own group is the root of what is mounted (cgroups(7)).
  private static var groupMemory: Int? {
    let second = KernelFile.number("/sys/fs/cgroup/memory.max")
    let first = KernelFile.number("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    // Without a limit the second version says "max", the first one a number near 2^63.
    return (second ?? first).flatMap { $0 < 1 << 60 ? $0 : nil }
  }
}
