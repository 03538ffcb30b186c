import Synchronization

/// A pool of reusable buffers. A buffer that stays in the processor's cache saves more time than any codec.
package final class BufferPool: Sendable {
  package init() {}

  private let free = Mutex<[Buffer]>([])
  /// Larger buffers, which only rare large messages need, are freed after use. Otherwise each thread would have one of
  /// that size sooner or later.
  static let largestKept = 4 << 20

  /// The total size of the free buffers, in bytes.
  var kept: Int { free.withLock { $0.reduce(0) { $0 + $1.size } } }

  /// Lends a buffer of at least `count` bytes. It still contains the data of its previous use.
  package func withBuffer<T>(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> T) rethrows -> T {
    let loan = lend(count)
    return try withExtendedLifetime(loan) { try body(loan.bytes) }
  }

  /// The same, until the loan is released.
  package func lend(_ count: Int) -> Loan {
    let buffer = free.withLock { $0.popLast() } ?? Buffer()
    return Loan(buffer.grown(to: count), buffer, of: self)
  }

  /// A lent buffer.
  package final class Loan {
    package let bytes: UnsafeMutableRawBufferPointer
    private let buffer: Buffer
    private let pool: BufferPool

    fileprivate init(_ bytes: UnsafeMutableRawBufferPointer, _ buffer: Buffer, of pool: BufferPool) {
      self.bytes = bytes
      self.buffer = buffer
      self.pool = pool
    }

    deinit {
      if buffer.size <= BufferPool.largestKept { pool.free.withLock { $0.append(buffer) } }
    }
  }

  fileprivate final class Buffer: @unchecked Sendable {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    var size: Int { memory.count }

    func grown(to count: Int) -> UnsafeMutableRawBufferPointer {
      if memory.count < max(count, 1) {
        memory.deallocate()
        memory = .allocate(byteCount: max(count, 64 << 10), alignment: 64)
      }
      return UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
    }

    deinit { memory.deallocate() }
  }
}
