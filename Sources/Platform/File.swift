import Glibc

/// An open file, which owns its descriptor and closes it when released. Reads and writes take an explicit offset, so
/// that several threads may share one file.
package final class File: Sendable {
  package enum Access: Sendable {
    /// Read only. Opening a fifo does not block (O_NONBLOCK); a terminal does not become the controlling one
    /// (O_NOCTTY).
    case read
    /// Read and write; the file must exist.
    case readWrite
    /// Read and write; created if it does not exist.
    case create
    /// Read and write; EEXIST if the file exists.
    case createNew
    /// Read and write; created if it does not exist, emptied if it does.
    case createEmpty
  }

  let descriptor: CInt
  /// The path as it was opened, for messages.
  package let path: String

  init(descriptor: CInt, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit {
    // Not retried on EINTR: Linux has already released the descriptor, and another thread may be using the same number.
    _ = close(descriptor)
  }

  /// Opens a file, following symbolic links. A new file gets the mode 0666 less the umask.
  ///
  /// - Throws: as open(2); EINVAL for a path with a NUL byte.
  package static func open(_ path: String, _ access: Access) throws(SystemError) -> File {
    try PathRule.check(path: path, access.operation)
    let descriptor = try retrying(access.operation, path) { Glibc.open(path, access.flags, 0o666) }
    return File(descriptor: descriptor, path: path)
  }

  /// - Throws: as fstat(2).
  package func status() throws(SystemError) -> FileStatus {
    var status = stat()
    try retrying("inspect", path) { fstat(descriptor, &status) }
    return FileStatus(status)
  }

  /// The number of names (hard links) that the file has; 0 if it was deleted meanwhile.
  package func linkCount() throws(SystemError) -> Int {
    var status = stat()
    try retrying("inspect", path) { fstat(descriptor, &status) }
    return Int(status.st_nlink)
  }

  /// A second descriptor of the same opening of the file, for a C library that closes it.
  package func duplicateDescriptor() throws(SystemError) -> CInt {
    try retrying("open", path) { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
  }

  /// Reads until the buffer is full or the file ends.
  ///
  /// - Parameters:
  ///   - offset: the first byte's position, in bytes.
  ///   - enough: bytes after which the rest of the buffer need not be read; nil: all. A regular file gives everything
  ///     that it has at once, so this saves a call that only finds its end.
  /// - Returns: the bytes read; fewer than `enough` only at the end of the file.
  /// - Throws: as pread(2): EISDIR for a folder, ESPIPE for a fifo.
  package func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int, enough: Int? = nil
  ) throws(SystemError) -> Int {
    guard let start = buffer.baseAddress else { return 0 }
    var done = 0
    while done < (enough ?? buffer.count) {
      let count = try retrying("read", path) { pread(descriptor, start + done, buffer.count - done, offset + done) }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Writes all of the bytes. They are durable only after `sync()`.
  ///
  /// - Parameter offset: the first byte's position, in bytes; a gap before it reads as zeros.
  /// - Throws: as pwrite(2); part of the bytes may have been written by then.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
    guard let start = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      done += try retrying("write", path) { pwrite(descriptor, start + done, bytes.count - done, offset + done) }
    }
  }

  /// Shortens the file, or extends it with zeros.
  ///
  /// - Parameter length: in bytes.
  package func truncate(to length: Int) throws(SystemError) {
    try retrying("truncate", path) { ftruncate(descriptor, length) }
  }

  /// Returns once the bytes and the size are on disk (fsync). The name is durable only once the *folder* is synced.
  ///
  /// - Throws: as fsync(2). Never retry it after an EIO: Linux reports a lost page once, then forgets it.
  package func sync() throws(SystemError) {
    try retrying("sync", path) { fsync(descriptor) }
  }
}

extension File.Access {
  var flags: CInt {
    let common = O_CLOEXEC | O_NOCTTY
    return switch self {
    case .read: common | O_RDONLY | O_NONBLOCK
    case .readWrite: common | O_RDWR
    case .create: common | O_RDWR | O_CREAT
    case .createNew: common | O_RDWR | O_CREAT | O_EXCL
    case .createEmpty: common | O_RDWR | O_CREAT | O_TRUNC
    }
  }

  /// The verb for error messages.
  var operation: String {
    switch self {
    case .read: "open"
    case .readWrite: "open for writing"
    case .create, .createNew, .createEmpty: "create"
    }
  }
}
