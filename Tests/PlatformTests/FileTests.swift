import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite struct FileTests {
  let temporary: TestFolder
  init() throws { temporary = TestFolder() }

  @Test("bytes written at an offset are read there") func writtenBytesAreReadAtOffset() throws {
    let file = try File.open("\(temporary.path)/a", .createNew)
    try Array("world".utf8).withUnsafeBytes { try file.write($0, at: 6) }
    try Array("hello ".utf8).withUnsafeBytes { try file.write($0, at: 0) }
    try file.sync()
    #expect(try temporary.read("a") == "hello world")
    #expect(try file.status().size == 11)

    try file.truncate(to: 5)
    #expect(try temporary.read("a") == "hello")
  }

  @Test("a temporary file has no name") func temporaryFileHasNoName() throws {
    let file = try File.temporary()
    try Array("bytes".utf8).withUnsafeBytes { try file.write($0, at: 0) }
    #expect(try file.status().size == 5 && file.linkCount() == 0)
  }

  @Test("a read ends at the end of the file") func readEndsWithFile() throws {
    try temporary.write("a", "12345")
    let file = try File.open("\(temporary.path)/a", .read)
    var bytes = [UInt8](repeating: 0, count: 8)
    #expect(try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 2) } == 3)
    #expect(bytes.prefix(4) == [0x33, 0x34, 0x35, 0])
    #expect(try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 99) } == 0)
    #expect(try file.read(into: UnsafeMutableRawBufferPointer(start: nil, count: 0), at: 0) == 0)
  }

  @Test("opening a FIFO for reading does not block") func fifoDoesNotBlockOpen() throws {
    try #require(mkfifo("\(temporary.path)/fifo", 0o600) == 0)
    let file = try File.open("\(temporary.path)/fifo", .read)
    #expect(try file.status().kind == .other)
  }

  @Test("createNew refuses an existing file, createEmpty empties it") func creationModesDiffer() throws {
    try temporary.write("a", "old")
    #expect(failure { _ = try File.open("\(temporary.path)/a", .createNew) }?.code == EEXIST)
    #expect(try File.open("\(temporary.path)/a", .create).status().size == 3)
    #expect(try File.open("\(temporary.path)/a", .createEmpty).status().size == 0)
    #expect(failure { _ = try File.open("\(temporary.path)/b", .readWrite) }?.code == ENOENT)
  }

  @Test("a path with a NUL is refused, not cut") func pathWithNULIsRefused() throws {
    try temporary.write("a.jpg")
    #expect(failure { _ = try File.open("\(temporary.path)/a.jpg\0.txt", .read) }?.code == EINVAL)
  }

  @Test("a descriptor is closed with its file and not inherited") func descriptorIsOwned() throws {
    var file: File? = try File.open("\(temporary.path)/a", .create)
    let descriptor = try #require(file?.descriptor)
    #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
    let inode = try #require(file?.status().inode)
    file = nil
    // Another test may have reused the number, but not this file.
    var status = stat()
    #expect(fstat(descriptor, &status) == -1 || status.st_ino != inode)
  }

  @Test("a lock excludes every other opening until its file is released") func lockEndsWithItsFile() throws {
    var first: File? = try File.open("\(temporary.path)/slot", .create)
    let second = try File.open("\(temporary.path)/slot", .create)
    #expect(try first?.lockExclusively() == true)
    #expect(try first?.lockExclusively() == true)
    #expect(try second.lockExclusively() == false)
    first = nil
    #expect(try second.lockExclusively() == true)
  }

  @Test("a write error names the file") func writeErrorNamesFile() throws {
    try temporary.write("a")
    let file = try File.open("\(temporary.path)/a", .read)
    let error = failure { try [UInt8(1)].withUnsafeBytes { try file.write($0, at: 0) } }
    #expect(error?.code == EBADF && error?.subject == "\(temporary.path)/a" && error?.operation == "write")
  }

  @Test("a file's times are in nanoseconds") func timesAreInNanoseconds() throws {
    let path = try temporary.write("a")
    var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1_700_000_000, tv_nsec: 123_456_789)]
    try #require(utimensat(AT_FDCWD, path, &times, 0) == 0)
    let status = try File.open(path, .read).status()
    #expect(status.modified == 1_700_000_000_123_456_789)
    #expect(abs(status.changed - WallClock.nanoseconds) < 60_000_000_000)
  }

  @Test("a deleted file has no name") func deletedFileHasNoName() throws {
    let file = try File.open(temporary.path + "/file", .create)
    #expect(try file.linkCount() == 1)
    try Folder.open(temporary.path).remove("file")
    #expect(try file.linkCount() == 0)
  }
}
