import Synchronization

/// Buffers that are used again and again: one that stays in the processor's cache is worth more than any codec.
final class BufferPool: Sendable {
  private let free = Mutex<[Buffer]>([])

  /// Lends a buffer of at least `count` bytes, whose content is whatever was there before.
  func withBuffer<T>(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> T) rethrows -> T {
    let buffer = free.withLock { $0.popLast() } ?? Buffer()
    defer { free.withLock { $0.append(buffer) } }
    return try body(buffer.grown(to: count))
  }

  private final class Buffer: @unchecked Sendable {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

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
