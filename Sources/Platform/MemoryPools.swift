internal import CSystem

/// The pools that malloc takes memory from.
package enum MemoryPools {
  /// Has threads share so many pools. By default each thread gets one of its own, up to eight times the processors, and memory that
  /// one thread takes and another gives back stays in it. To be called before there are threads.
  package static func limit(to most: Int32) { _ = system_limit_memory_pools(most) }
}
