import Glibc

/// Watches folders for changes (inotify(7)). A watch covers one folder, not the folders below it. Used by one thread at
/// a time.
///
/// Changes that another host makes on a network file system raise no event, so folders also need periodic scans.
package final class FolderEvents: @unchecked Sendable {
  package enum Kind: Sendable, Equatable {
    /// A file was created, or its bytes changed. A program may have it open for writing. A hard or symbolic link raises
    /// this event too, and no `closed` follows.
    case written
    /// A file that was open for writing was closed.
    case closed
    /// A file was moved in.
    case movedIn
    /// A folder was created or moved in. Its existing content raises no events.
    case folderAppeared
    /// The watched folder itself was removed, moved or unmounted, or is no longer watched.
    case folderGone
    /// The kernel's queue was full and events are lost, so everything must be scanned again. The watch is -1.
    case overflow
  }

  package struct Event: Sendable, Equatable {
    /// As `watch` returned it.
    package let watch: Int32
    package let kind: Kind
    /// The name within the watched folder, as any bytes; empty for `folderGone` and `overflow`.
    package let name: [UInt8]
  }

  private static let bufferSize = 64 * 1024
  private let descriptor: CInt
  private let buffer: UnsafeMutableRawBufferPointer

  /// - Throws: EMFILE at the limit of fs.inotify.max_user_instances (128 by default).
  package init() throws(SystemError) {
    descriptor = try retrying(SystemError.watching, "folders") {
      inotify_init1(CInt(IN_NONBLOCK | IN_CLOEXEC))
    }
    buffer = .allocate(byteCount: Self.bufferSize, alignment: MemoryLayout<inotify_event>.alignment)
  }

  deinit {
    _ = close(descriptor)
    buffer.deallocate()
  }

  /// Watches a folder. A second call for the same folder returns the same number.
  ///
  /// - Parameter followingLinks: false throws ENOTDIR for a symbolic link at the end of the path.
  /// - Throws: ENOSPC at the limit of fs.inotify.max_user_watches; ENOENT, ENOTDIR, EACCES.
  package func watch(_ path: String, followingLinks: Bool = true) throws(SystemError) -> Int32 {
    try PathRule.check(path: path, SystemError.watching)
    let mask =
      UInt32(
        IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR
          | IN_EXCL_UNLINK)
      | (followingLinks ? 0 : UInt32(IN_DONT_FOLLOW))
    return try retrying(SystemError.watching, path) { inotify_add_watch(descriptor, path, mask) }
  }

  /// Ends a watch; its last event is `folderGone`. No error if it has already ended.
  package func unwatch(_ watch: Int32) {
    _ = inotify_rm_watch(descriptor, watch)
  }

  /// Waits for events and returns them in order.
  ///
  /// - Parameter timeout: zero does not wait; below zero waits without limit.
  /// - Returns: empty after the timeout; at most 64 KiB of events, and the next call returns the rest.
  package func next(timeout: Duration) throws(SystemError) -> [Event] {
    let deadline = timeout < .zero ? nil : Deadline(in: timeout)
    while true {
      let isReady = try wait(until: deadline)
      let events = isReady ? try readEvents() : []
      // All of the events that were read may be irrelevant, such as a folder's IN_MODIFY.
      if !events.isEmpty || (deadline?.hasPassed ?? false) { return events }
    }
  }

  private func wait(until deadline: Deadline?) throws(SystemError) -> Bool {
    while true {
      var request = pollfd(descriptor: descriptor)
      let remaining = deadline?.milliseconds() ?? -1
      let count = poll(&request, 1, remaining)
      if count >= 0 { return count > 0 }
      let code = errno
      if code != EINTR { throw SystemError(SystemError.watching, "folders", code: code) }
    }
  }

  private func readEvents() throws(SystemError) -> [Event] {
    let count: Int
    do {
      count = try retrying(SystemError.watching, "folders") { read(descriptor, buffer.baseAddress, buffer.count) }
    } catch let error where error.code == EAGAIN {
      return []
    }
    var events: [Event] = []
    var offset = 0
    while offset < count {
      let header = buffer.load(fromByteOffset: offset, as: inotify_event.self)
      let start = offset + MemoryLayout<inotify_event>.size
      let end = start + Int(header.len)
      // The name is padded with NULs.
      let name = buffer[start..<end].prefix { $0 != 0 }
      if let kind = Self.kind(of: header.mask) {
        events.append(Event(watch: header.wd, kind: kind, name: Array(name)))
      }
      offset = end
    }
    return events
  }

  private static func kind(of mask: UInt32) -> Kind? {
    func has(_ flag: Int32) -> Bool { mask & UInt32(bitPattern: flag) != 0 }
    if has(IN_Q_OVERFLOW) { return .overflow }
    // IN_DELETE_SELF and IN_UNMOUNT need no case: the kernel sends IN_IGNORED after each.
    if has(IN_IGNORED) || has(IN_MOVE_SELF) { return .folderGone }
    if has(IN_ISDIR) { return has(IN_CREATE) || has(IN_MOVED_TO) ? .folderAppeared : nil }
    if has(IN_CLOSE_WRITE) { return .closed }
    if has(IN_MOVED_TO) { return .movedIn }
    return has(IN_CREATE) || has(IN_MODIFY) ? .written : nil
  }
}

extension pollfd {
  fileprivate init(descriptor: CInt) {
    self.init(fd: descriptor, events: Int16(POLLIN), revents: 0)
  }
}
