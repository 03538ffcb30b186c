import Synchronization

/// Buffers that are used again and again: one that stays in the processor's cache is worth more than any codec.
package final class BufferPool: Sendable {
  package init() {}

  private let free = Mutex<[Buffer]>([])
  /// A larger one, as a rare large message needs it, is not kept: each thread would have one of that size some day.
  static let largestKept = 4 << 20

  /// Bytes of the buffers that wait to be used again.
  var kept: Int { free.withLock { $0.reduce(0) { $0 + $1.size } } }

  /// Lends a buffer of at least `count` bytes, whose content is whatever was there before.
  package func withBuffer<T>(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> T) rethrows -> T {
    let buffer = free.withLock { $0.popLast() } ?? Buffer()
    defer { if buffer.size <= Self.largestKept { free.withLock { $0.append(buffer) } } }
    return try body(buffer.grown(to: count))
  }

  private final class Buffer: @unchecked Sendable {
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
