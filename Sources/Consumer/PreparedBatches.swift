import Output
import Platform

/// Batches that are being prepared while others are stored, in the order in which they are to be stored.
struct PreparedBatches {
  /// One batch, or several that are stored as one.
  struct Entry {
    var ticket: BatchTicket
    var batch: ImageStore.Batch
    var preparations: [Preparation]
    let begun = MonotonicClock.now
  }

  private var entries: [Entry] = []

  var count: Int { entries.count }
  var isEmpty: Bool { entries.isEmpty }
  var messages: Int { entries.reduce(0) { $0 + $1.batch.messages.count } }
  /// True while the last batch is still being prepared. Until then there is time to collect messages.
  var isBusy: Bool { entries.last?.preparations.allSatisfy(\.isReady) == false }

  var firstPreparations: [Preparation] { entries.first?.preparations ?? [] }

  mutating func append(_ ticket: BatchTicket, _ batch: ImageStore.Batch, _ preparation: Preparation) {
    entries.append(Entry(ticket: ticket, batch: batch, preparations: [preparation]))
  }

  /// Takes the first batch and merges the ready ones after it: syncing a transaction costs the same, however much is in
  /// it.
  mutating func takeFirst(upTo images: Int) -> Entry? {
    guard !entries.isEmpty else { return nil }
    var taken = entries.removeFirst()
    // A batch whose preparation failed is taken alone and tried again.
    guard taken.preparations.allSatisfy({ $0.waitForSuccess() }) else { return taken }
    while let next = entries.first, let ticket = taken.ticket.joined(with: next.ticket),
      next.preparations.allSatisfy(\.hasSucceeded), taken.batch.messages.count + next.batch.messages.count <= images
    {
      entries.removeFirst()
      taken.ticket = ticket
      taken.batch.messages += next.batch.messages
      taken.preparations += next.preparations
    }
    return taken
  }

  /// Takes the batches that are void, by default all. Their messages are read again, or never.
  mutating func takeAll(where isVoid: (BatchTicket) -> Bool = { _ in true }) -> [Entry] {
    defer { entries.removeAll { isVoid($0.ticket) } }
    return entries.filter { isVoid($0.ticket) }
  }
}
