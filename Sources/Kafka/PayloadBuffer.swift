import Crdkafka
import Glibc

/// The value of a message to be sent. The library takes over its memory instead of copying it.
///
/// Not `Sendable`: one thread at a time fills it and sends it. Its memory is freed with this object unless it was
/// handed over.
package final class PayloadBuffer {
  private var memory: UnsafeMutableRawPointer?
  private let capacity: Int

  /// The number of bytes to send, from the start of `bytes`; initially 0, at most the capacity.
  package var count: Int = 0 {
    didSet { precondition(count >= 0 && count <= capacity, "a payload's count is within its capacity") }
  }

  /// - Parameter capacity: in bytes, whose content is undefined until written.
  package init(capacity: Int) {
    precondition(capacity >= 0, "a payload's capacity is not negative")
    guard let memory = malloc(max(capacity, 1)) else {
      fatalError("cannot allocate \(capacity) bytes for a message: out of memory")
    }
    self.memory = memory
    self.capacity = capacity
  }

  deinit {
    free(memory)
  }

  /// All of the capacity; empty once the library owns the memory.
  package var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: memory, count: memory == nil ? 0 : capacity)
  }

  /// Whether the library owns the memory; nothing can be sent from here then.
  var isHandedOver: Bool { memory == nil }

  /// Records that the library owns the memory, and may have freed it already.
  func handOver() {
    memory = nil
    count = 0
  }
}
