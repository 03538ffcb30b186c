internal import CSystem

/// The pools that malloc takes memory from.
package enum MemoryPools {
  /// Limits the number of pools, which threads then share. By default each thread gets its own pool, up to eight times
  /// the number of processors, and memory that one thread allocates and another frees stays in that pool. Call it
  /// before starting threads.
  package static func limit(to most: Int32) { _ = system_limit_memory_pools(most) }
}
