import Platform
import Wire

/// A file whose image fits into one message, in memory.
struct WholeImage: ByteOwner {
  let candidate: Candidate
  let name: ImageName
  let file: File
  /// The file's status before it was read.
  let before: FileStatus
  private let loan: BufferPool.Loan

  /// Reads the file.
  /// - Throws: `UnfinishedFile` if its length has changed.
  init(
    _ candidate: Candidate, _ name: ImageName, _ file: File, _ before: FileStatus, _ buffers: BufferPool
  ) throws {
    self.candidate = candidate
    self.name = name
    self.file = file
    self.before = before
    // One extra byte shows whether the file is longer by now.
    loan = buffers.lend(before.size + 1)
    guard try file.read(into: loan.bytes, at: 0, enough: max(1, before.size)) == before.size else {
      throw UnfinishedFile.changes
    }
  }

  package func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
    try withExtendedLifetime(loan) { try body(UnsafeRawBufferPointer(rebasing: loan.bytes[..<before.size])) }
  }
}
