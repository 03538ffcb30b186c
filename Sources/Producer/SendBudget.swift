import Platform
import Synchronization

/// Bounds what is sent and not yet done with, in bytes of messages.
package protocol SendBudget: Sendable {
  /// Waits until `bytes` fit, at most so long. An item larger than the whole budget goes alone.
  func acquire(_ bytes: Int, timeoutMilliseconds: Int) -> Bool
  /// A message has its place in the topic.
  func delivered(_ bytes: Int, partition: Int32, offset: Int64)
  /// A message will not get one.
  func failed(_ bytes: Int)
}

/// What is in flight to the broker: memory.
final class InFlightBudget: SendBudget {
  private let gate: Gate

  init(limit: Int) { gate = Gate(limit: limit) }

  func acquire(_ bytes: Int, timeoutMilliseconds: Int) -> Bool {
    gate.acquire(bytes, timeoutMilliseconds: timeoutMilliseconds)
  }
  func delivered(_ bytes: Int, partition: Int32, offset: Int64) { gate.release(bytes) }
  func failed(_ bytes: Int) { gate.release(bytes) }
}

/// What is sent and not yet *stored*. The embedded broker keeps 5 MiB a partition and forgets the oldest without a
/// word, so that no more may be on the way.
package final class UnstoredBudget: SendBudget {
  private let gate: Gate
  private let partitions = Mutex<[Int32: Partition]>([:])

  private struct Partition {
    var stored: Int64 = 0
    var waiting: [(offset: Int64, bytes: Int)] = []
  }

  /// Below what one partition keeps, for all partitions together: which one a message goes to is not known before.
  static let embeddedLimit = 4 << 20

  package init(limit: Int = UnstoredBudget.embeddedLimit) { gate = Gate(limit: limit) }

  package func acquire(_ bytes: Int, timeoutMilliseconds: Int) -> Bool {
    gate.acquire(bytes, timeoutMilliseconds: timeoutMilliseconds)
  }

  package func delivered(_ bytes: Int, partition: Int32, offset: Int64) {
    // The consumer may have stored it before this thread was told of its delivery.
    let isStored = partitions.withLock { partitions in
      if offset < partitions[partition, default: Partition()].stored { return true }
      partitions[partition, default: Partition()].waiting.append((offset, bytes))
      return false
    }
    if isStored { gate.release(bytes) }
  }

  package func failed(_ bytes: Int) { gate.release(bytes) }

  /// Nothing is on its way.
  package var isEmpty: Bool { gate.used == 0 }

  /// Everything before `next` is stored.
  package func stored(_ partition: Int32, next: Int64) {
    let freed = partitions.withLock { partitions in
      partitions[partition, default: Partition()].stored = next
      let done = partitions[partition]!.waiting.filter { $0.offset < next }
      partitions[partition]!.waiting.removeAll { $0.offset < next }
      return done.map(\.bytes)
    }
    for bytes in freed { gate.release(bytes) }
  }
}
