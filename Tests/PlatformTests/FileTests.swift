import Glibc
import Testing

@testable import Platform

@Suite struct FileTests {
  let temporary: TemporaryFolder
  init() throws { temporary = try TemporaryFolder() }

  @Test func whatIsWrittenAtAnOffsetIsReadThere() throws {
    let file = try File.open("\(temporary.path)/a", .createNew)
    try Array("world".utf8).withUnsafeBytes { try file.write($0, at: 6) }
    try Array("hello ".utf8).withUnsafeBytes { try file.write($0, at: 0) }
    try file.sync()
    #expect(try temporary.read("a") == "hello world")
    #expect(try file.status().size == 11)

    try file.truncate(to: 5)
    #expect(try temporary.read("a") == "hello")
  }

  @Test func aReadEndsWithTheFile() throws {
    try temporary.write("a", "12345")
    let file = try File.open("\(temporary.path)/a", .read)
    var bytes = [UInt8](repeating: 0, count: 8)
    #expect(try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 2) } == 3)
    #expect(bytes.prefix(4) == [0x33, 0x34, 0x35, 0])
    #expect(try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 99) } == 0)
    #expect(try file.read(into: UnsafeMutableRawBufferPointer(start: nil, count: 0), at: 0) == 0)
  }

  @Test func aFifoDoesNotBlockWhoOpensItForReading() throws {
    try #require(mkfifo("\(temporary.path)/fifo", 0o600) == 0)
    let file = try File.open("\(temporary.path)/fifo", .read)
    #expect(try file.status().kind == .other)
  }

  @Test func creatingAnewRefusesWhatExistsAndCreatingEmptyEmptiesIt() throws {
    try temporary.write("a", "old")
    #expect(failure { _ = try File.open("\(temporary.path)/a", .createNew) }?.code == EEXIST)
    #expect(try File.open("\(temporary.path)/a", .create).status().size == 3)
    #expect(try File.open("\(temporary.path)/a", .createEmpty).status().size == 0)
    #expect(failure { _ = try File.open("\(temporary.path)/b", .readWrite) }?.code == ENOENT)
  }

  @Test func aPathIsNotCutAtANUL() throws {
    try temporary.write("a.jpg")
    #expect(failure { _ = try File.open("\(temporary.path)/a.jpg\0.txt", .read) }?.code == EINVAL)
  }

  @Test func aDescriptorIsClosedWithItsFileAndNotInherited() throws {
    var file: File? = try File.open("\(temporary.path)/a", .create)
    let descriptor = try #require(file?.descriptor)
    #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
    let inode = try #require(file?.status().inode)
    file = nil
    // Another test may have the number by now, but not this file.
    var status = stat()
    #expect(fstat(descriptor, &status) == -1 || status.st_ino != inode)
  }

  @Test func aLockIsHeldAgainstEachOtherOpeningUntilItsFileIsReleased() throws {
    var first: File? = try File.open("\(temporary.path)/slot", .create)
    let second = try File.open("\(temporary.path)/slot", .create)
    #expect(try first?.lockExclusively() == true)
    #expect(try first?.lockExclusively() == true)
    #expect(try second.lockExclusively() == false)
    first = nil
    #expect(try second.lockExclusively() == true)
  }

  @Test func anErrorOfAWriteNamesTheFile() throws {
    try temporary.write("a")
    let file = try File.open("\(temporary.path)/a", .read)
    let error = failure { try [UInt8(1)].withUnsafeBytes { try file.write($0, at: 0) } }
    #expect(error?.code == EBADF && error?.subject == "\(temporary.path)/a" && error?.operation == "write")
  }

  @Test func theTimesAreThoseOfTheFileInNanoseconds() throws {
    let path = try temporary.write("a")
    var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1_700_000_000, tv_nsec: 123_456_789)]
    try #require(utimensat(AT_FDCWD, path, &times, 0) == 0)
    let status = try File.open(path, .read).status()
    #expect(status.modified == 1_700_000_000_123_456_789)
    #expect(abs(status.changed - Clock.wallNanoseconds) < 60_000_000_000)
  }

  @Test func aFileThatWasDeletedHasNoNameAnyMore() throws {
    let file = try File.open(temporary.path + "/file", .create)
    #expect(try file.linkCount() == 1)
    try Folder.open(temporary.path).remove("file")
    #expect(try file.linkCount() == 0)
  }
}
