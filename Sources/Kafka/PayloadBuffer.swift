import Crdkafka
import Glibc

/// A message's value on its way to the library, which takes the memory over instead of copying it.
///
/// Not `Sendable`: one thread at a time fills it and sends it. Freed with this object unless it was handed over.
package final class PayloadBuffer {
  private var memory: UnsafeMutableRawPointer?
  private let capacity: Int

  /// Bytes to send, from the start of `bytes`; 0 at first, at most the capacity.
  package var count: Int = 0 {
    didSet { precondition(count >= 0 && count <= capacity, "a payload's count is within its capacity") }
  }

  /// - Parameter capacity: bytes. Their content is undefined until written.
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

  /// Whether the library owns the memory by now: then there is nothing to send here any more.
  var isHandedOver: Bool { memory == nil }

  /// The library has it, and may have freed it already.
  func handOver() {
    memory = nil
    count = 0
  }
}
