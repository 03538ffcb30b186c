import Testing

@testable import Platform

@Suite struct BufferPoolTests {
  @Test("a buffer is reused") func bufferIsReused() {
    let pool = BufferPool()
    let first = pool.withBuffer(1_000_000) { $0.baseAddress }
    #expect(pool.withBuffer(1_000) { $0.baseAddress } == first)
    #expect(pool.kept == 1_000_000)
  }

  @Test("a rare large buffer is not kept") func largeBufferIsNotKept() {
    let pool = BufferPool()
    pool.withBuffer(1_000_000) { _ in pool.withBuffer(67_500_000) { #expect($0.count == 67_500_000) } }
    #expect(pool.kept == 1_000_000)
    pool.withBuffer(67_500_000) { _ in }
    #expect(pool.kept == 0)
  }
}
