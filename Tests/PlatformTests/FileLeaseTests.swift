import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite struct FileLeaseTests {
  let temporary: TestFolder

  init() throws { temporary = TestFolder() }

  private func reader() throws -> File { try File.open("\(temporary.path)/a", .read) }

  /// Not for another user's file, and not on every file system: the answer is `unknown` then, which tests cannot
  /// arrange.
  @Test("a file that is open for writing has a writer until it is closed")
  func openFileHasWriter() throws {
    var writer: File? = try File.open("\(temporary.path)/a", .createNew)
    let reader = try reader()
    #expect(reader.writers() == .some)
    withExtendedLifetime(writer) {}
    writer = nil
    #expect(reader.writers() == .none)
    #expect(reader.writers() == .none, "the lease was given back")
  }

  @Test("a file that is only read has no writer")
  func readersAreNoWriters() throws {
    try temporary.write("a")
    let (one, other) = (try reader(), try reader())
    #expect(one.writers() == .none && other.writers() == .none)
  }

  /// Each question takes a lease for a moment, in which a writer waits and we get a signal.
  @Test("writers that arrive while the kernel is asked are not harmed")
  func writersMayArriveWhileAsking() throws {
    try temporary.write("a")
    let path = "\(temporary.path)/a"
    let isOver = StopFlag()
    let writing = BackgroundThread.start("writing") {
      while !isOver.isSet {
        let file = open(path, O_WRONLY)
        #expect(file >= 0)
        close(file)
      }
    }
    let reader = try reader()
    var answers = Set<Bool>()
    for _ in 0..<20_000 { answers.insert(reader.writers() == .some) }
    isOver.set()
    writing.join()
    #expect(!answers.isEmpty)
    #expect(reader.writers() == .none)
  }

  @Test("a reserved length is no data")
  func reservedLengthIsNoData() throws {
    let file = try File.open("\(temporary.path)/a", .createNew)
    try file.truncate(to: 160_000)
    #expect(try !reader().hasData)
    try [UInt8](repeating: 1, count: 10).withUnsafeBytes { try file.write($0, at: 100_000) }
    #expect(try reader().hasData)
  }
}
