import Synchronization

/// Counts the bytes of messages in memory.
package final class MemoryUse: Sendable {
  private let count = Atomic<Int>(0)

  package init() {}

  package var bytes: Int { count.load(ordering: .relaxed) }

  package func share(_ bytes: Int) -> Share { Share(of: self, bytes) }

  /// The bytes of one batch. They are counted until they are free, or until nothing refers to the share.
  package final class Share: Sendable {
    private let use: MemoryUse
    private let left: Atomic<Int>

    fileprivate init(of use: MemoryUse, _ bytes: Int) {
      self.use = use
      left = Atomic(bytes)
      use.count.add(bytes, ordering: .relaxed)
    }

    func free(_ bytes: Int) {
      left.subtract(bytes, ordering: .relaxed)
      use.count.subtract(bytes, ordering: .relaxed)
    }

    deinit { free(left.load(ordering: .relaxed)) }
  }
}
