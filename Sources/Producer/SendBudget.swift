import Platform
import Synchronization

/// A limit on the bytes of messages that are sent and not yet done with.
package protocol SendBudget: Sendable {
  /// Waits until `bytes` fit, at most `timeout`. An item that is larger than the whole budget is sent
  /// alone.
  func acquire(_ bytes: Int, timeout: Duration) -> Bool
  /// A message was delivered and has its offset in the topic.
  func delivered(_ bytes: Int, partition: Int32, offset: Int64)
  /// A message will not be delivered.
  func failed(_ bytes: Int)
}

/// A limit on the messages in flight to the broker, and so on memory.
final class InFlightBudget: SendBudget {
  private let gate: Gate

  init(limit: Int) { gate = Gate(limit: limit) }

  func acquire(_ bytes: Int, timeout: Duration) -> Bool {
    gate.acquire(bytes, timeout: timeout)
  }
  func delivered(_ bytes: Int, partition: Int32, offset: Int64) { gate.release(bytes) }
  func failed(_ bytes: Int) { gate.release(bytes) }
}

/// A limit on what is sent and not yet *stored*. The embedded broker keeps 5 MiB per partition and silently drops the
/// oldest messages, so no more than that may be on the way.
package final class UnstoredBudget: SendBudget {
  private let gate: Gate
  private let partitions = Mutex<[Int32: Partition]>([:])

  private struct Partition {
    var stored: Int64 = 0
    var waiting: [(offset: Int64, bytes: Int)] = []
  }

  /// The limit for all partitions together, in bytes. It is less than one partition keeps, because the partition of a
  /// message is not known in advance.
  static let embeddedLimit = 4 << 20

  package init(limit: Int = UnstoredBudget.embeddedLimit) { gate = Gate(limit: limit) }

  package func acquire(_ bytes: Int, timeout: Duration) -> Bool {
    gate.acquire(bytes, timeout: timeout)
  }

  package func delivered(_ bytes: Int, partition: Int32, offset: Int64) {
    // The consumer may have stored the message before this thread learns of its delivery.
    let isStored = partitions.withLock { partitions in
      if offset < partitions[partition, default: Partition()].stored { return true }
      partitions[partition, default: Partition()].waiting.append((offset, bytes))
      return false
    }
    if isStored { gate.release(bytes) }
  }

  package func failed(_ bytes: Int) { gate.release(bytes) }

  /// Whether nothing is on the way.
  package var isEmpty: Bool { gate.used == 0 }

  /// Everything before the offset `next` is stored.
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
