import Glibc

/// An open file: owns its descriptor and closes it when released. Reads and writes carry their offset, so that several
/// threads may share one.
package final class File: Sendable {
  package enum Access: Sendable {
    /// For reading. A fifo does not block (O_NONBLOCK), a terminal is not adopted (O_NOCTTY).
    case read
    /// For both; it must exist.
    case readWrite
    /// For both; made when there is none.
    case create
    /// For both; EEXIST when there is one.
    case createNew
    /// For both; made when there is none, emptied when there is one.
    case createEmpty
  }

  let descriptor: CInt
  /// As it was opened, for messages.
  package let path: String

  init(descriptor: CInt, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit {
    // Never again on EINTR: Linux has released the number by then, and it may be another thread's already.
    _ = close(descriptor)
  }

  /// Opens a file, following symbolic links. What it creates has the rights 0666 less the umask.
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

  /// How many names the file has: 0 where it was deleted since.
  package func linkCount() throws(SystemError) -> Int {
    var status = stat()
    try retrying("inspect", path) { fstat(descriptor, &status) }
    return Int(status.st_nlink)
  }

  /// Reads until the buffer is full or the file ends.
  ///
  /// - Parameter offset: the first byte's position, in bytes.
  /// - Returns: the bytes read; fewer than the buffer holds only at the end of the file.
  /// - Throws: as pread(2): EISDIR for a folder, ESPIPE for a fifo.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int {
    guard let start = buffer.baseAddress else { return 0 }
    var done = 0
    while done < buffer.count {
      let count = try retrying("read", path) { pread(descriptor, start + done, buffer.count - done, offset + done) }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Writes all of the bytes. They are durable after `sync()` only.
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

  /// Cuts the file, or lengthens it with zeros.
  ///
  /// - Parameter length: in bytes.
  package func truncate(to length: Int) throws(SystemError) {
    try retrying("truncate", path) { ftruncate(descriptor, length) }
  }

  /// Returns once bytes and size are on the disk (fsync). The name is durable once the *folder* is synced.
  ///
  /// - Throws: as fsync(2). Never call it again to get over an EIO: Linux reports a lost page once, then forgets it.
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

  /// The verb of an error.
  var operation: String {
    switch self {
    case .read: "open"
    case .readWrite: "open for writing"
    case .create, .createNew, .createEmpty: "create"
    }
  }
}
