import Output
import Platform

/// Batches that are being prepared while others are stored, in the order in which they are to be stored.
struct BatchesAhead {
  /// One batch, or several that are stored as one.
  struct Entry {
    var batch: ImageStore.Batch
    var preparations: [Preparation]
    /// The assignment that it belongs to.
    let epoch: Int
    let begun = Clock.monotonicMilliseconds
  }

  private var entries: [Entry] = []

  var count: Int { entries.count }
  var isEmpty: Bool { entries.isEmpty }
  var messages: Int { entries.reduce(0) { $0 + $1.batch.messages.count } }
  /// Whether the last of them is still being prepared: as long as it is, there is time to gather.
  var isBusy: Bool { entries.last?.preparations.allSatisfy(\.isReady) == false }

  mutating func append(_ batch: ImageStore.Batch, _ preparation: Preparation, epoch: Int) {
    entries.append(Entry(batch: batch, preparations: [preparation], epoch: epoch))
  }

  /// Takes the first one, and with it those behind it that are ready: what syncing a transaction costs does not grow with what
  /// is in it.
  mutating func takeFirst(upTo images: Int, _ bytes: Int) -> Entry? {
    guard !entries.isEmpty else { return nil }
    var taken = entries.removeFirst()
    // Where it cannot be prepared, it is tried again, alone.
    guard taken.preparations.allSatisfy(\.succeeds) else { return taken }
    var size = taken.batch.size
    while let next = entries.first, next.epoch == taken.epoch, next.preparations.allSatisfy(\.hasSucceeded),
      taken.batch.messages.count + next.batch.messages.count <= images, size + next.batch.size <= bytes
    {
      entries.removeFirst()
      size += next.batch.size
      taken.batch.append(next.batch)
      taken.preparations += next.preparations
    }
    return taken
  }

  /// Takes those that belong to another assignment: their messages come again, or never.
  mutating func takeVoid(epoch: Int) -> [Entry] {
    defer { entries.removeAll { $0.epoch != epoch } }
    return entries.filter { $0.epoch != epoch }
  }

  mutating func takeAll() -> [Entry] {
    defer { entries = [] }
    return entries
  }
}

extension ImageStore.Batch {
  /// Bytes of its messages.
  var size: Int { messages.reduce(0) { $0 + $1.size } }

  /// Joins the batch that was handed out next to this one.
  ///
  /// A partition that both have messages of follows what it followed here, or nothing: its messages in `next` follow those of
  /// this very batch.
  mutating func append(_ next: ImageStore.Batch) {
    messages += next.messages
    follows.merge(next.follows.filter { !base.keys.contains($0.key) }) { mine, _ in mine }
    base.merge(next.base) { mine, _ in mine }
  }
}
