/// How far the receipts of each partition have been sent: the broker has those of all messages before that position.
struct SentReceipts {
  private struct Unsent {
    var ids: Set<Int64>
    let next: Int64
  }

  /// Receipts that were written, in order, by partition.
  private var unsent: [Int32: [Unsent]] = [:]
  private var partitions: [Int64: Int32] = [:]
  private(set) var positions: [Int32: Int64] = [:]

  /// - Parameter ids: of a receipt's messages.
  mutating func written(_ ids: [Int64], _ partition: Int32, next: Int64) {
    for id in ids { partitions[id] = partition }
    unsent[partition, default: []].append(Unsent(ids: Set(ids), next: next))
  }

  mutating func acknowledged(_ ids: [Int64]) {
    for id in ids {
      guard let partition = partitions.removeValue(forKey: id), var waiting = unsent[partition],
        let index = waiting.firstIndex(where: { $0.ids.contains(id) })
      else { continue }
      waiting[index].ids.remove(id)
      let sent = waiting.prefix { $0.ids.isEmpty }
      if let last = sent.last { positions[partition] = last.next }
      waiting.removeFirst(sent.count)
      unsent[partition] = waiting
    }
  }
}
