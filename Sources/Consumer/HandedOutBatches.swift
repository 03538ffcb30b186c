/// A ticket for a batch that a session has handed out, or for several consecutive ones that are stored as one.
struct BatchTicket: Equatable {
  /// The epoch that the batch's messages belong to: see `ConsumerSession.epoch`.
  let epoch: Int
  let numbers: ClosedRange<Int>

  /// - Returns: nil if `next` was not handed out right after this one.
  func joined(with next: BatchTicket) -> BatchTicket? {
    guard next.epoch == epoch, next.numbers.lowerBound == numbers.upperBound + 1 else { return nil }
    return BatchTicket(epoch: epoch, numbers: numbers.lowerBound...next.numbers.upperBound)
  }
}

/// Batches that were handed out and are not stored yet, in their order.
struct HandedOutBatches {
  private struct Entry {
    let number: Int
    let partitions: Set<Int32>
  }

  private var entries: [Entry] = []
  private var next = 0

  mutating func append(_ partitions: Set<Int32>, epoch: Int) -> BatchTicket {
    defer { next += 1 }
    entries.append(Entry(number: next, partitions: partitions))
    return BatchTicket(epoch: epoch, numbers: next...next)
  }

  /// True if every batch handed out before this one is stored. A batch that is not stored must not be passed over.
  func isFirst(_ ticket: BatchTicket) -> Bool {
    entries.first?.number == ticket.numbers.lowerBound && entries.count >= ticket.numbers.count
  }

  func partitions(of ticket: BatchTicket) -> Set<Int32> {
    entries.reduce(into: []) { if ticket.numbers.contains($1.number) { $0.formUnion($1.partitions) } }
  }

  mutating func stored(_ ticket: BatchTicket) { entries.removeAll { ticket.numbers.contains($0.number) } }

  /// Their messages are read again, or never.
  mutating func forget() { entries = [] }
}
