import Glibc

/// The names of one folder, read incrementally (readdir): the C library buffers 32 KiB at a time, whatever the size of
/// the folder.
final class FolderStream {
  struct Entry {
    /// The bytes of the name as the file system stores it; not necessarily UTF-8.
    let name: [UInt8]
    let kind: FileStatus.Kind
  }

  private let stream: OpaquePointer
  private let path: String

  var descriptor: CInt { dirfd(stream) }

  /// Opens the folder `name` in the folder `descriptor` (AT_FDCWD: the working directory) with its own read position.
  ///
  /// - Parameter path: for messages.
  init(
    in descriptor: CInt, _ name: String, path: String, followingLinks: Bool = false
  ) throws(SystemError) {
    self.path = path
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (followingLinks ? 0 : O_NOFOLLOW)
    let own = try retrying("open", path) { openat(descriptor, name, flags) }
    guard let stream = fdopendir(own) else {
      let code = errno
      _ = close(own)
      throw SystemError("list", path, code: code)
    }
    self.stream = stream
  }

  deinit {
    _ = closedir(stream)
  }

  /// The next entry that still exists, without `.` and `..`; nil at the end, or if the folder was removed.
  func next() throws(SystemError) -> Entry? {
    while true {
      errno = 0
      guard let record = readdir(stream) else {
        let code = errno
        // Linux reports ENOENT for a folder that was removed while it was open.
        if code == 0 || code == ENOENT { return nil }
        throw SystemError("list", path, code: code)
      }
      // The record is only as long as its name. Copying the whole struct would read beyond the buffer.
      let start = UnsafeRawPointer(record) + MemoryLayout<dirent>.offset(of: \.d_name)!
      let text = start.assumingMemoryBound(to: CChar.self)
      let name = UnsafeRawBufferPointer(start: start, count: strlen(text))
      if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
      guard let kind = try kind(of: text, type: record.pointee.d_type) else { continue }
      return Entry(name: Array(name), kind: kind)
    }
  }

  /// The kind of an entry; nil if it has vanished. Some file systems provide the type only through stat (DT_UNKNOWN).
  private func kind(of name: UnsafePointer<CChar>, type: UInt8) throws(SystemError) -> FileStatus.Kind? {
    switch Int(type) {
    case Int(DT_REG): return .regular
    case Int(DT_DIR): return .folder
    case Int(DT_LNK): return .symbolicLink
    case Int(DT_UNKNOWN): break
    default: return .other
    }
    var status = stat()
    do {
      try retrying("inspect", PathRule.join(path, String(cString: name))) {
        fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
      }
      return FileStatus.Kind(mode: status.st_mode)
    } catch let error where error.code == ENOENT {
      return nil
    }
  }
}
