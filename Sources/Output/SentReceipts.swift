/// How far the receipts of each partition have been sent: the broker has those of all messages before that position.
struct SentReceipts {
  private struct Unsent {
    var ids: Set<Int64>
    let next: Int64
  }

  /// Receipts of a partition that were written, in order. Those before `first` are sent.
  private struct Line {
    var receipts: [Unsent] = []
    var first = 0

    /// Forgets those that are sent, when they are the larger part.
    mutating func shrink() {
      guard first > 64, first > receipts.count / 2 else { return }
      receipts.removeFirst(first)
      first = 0
    }
  }

  private var lines: [Int32: Line] = [:]
  private var partitions: [Int64: Int32] = [:]
  private(set) var positions: [Int32: Int64] = [:]

  /// - Parameter ids: of a receipt's messages.
  mutating func written(_ ids: [Int64], _ partition: Int32, next: Int64) {
    if let last = lines[partition]?.receipts.last?.next ?? positions[partition], next < last {
      // The topic was re-created.
      (lines[partition], positions[partition]) = (nil, nil)
    }
    for id in ids { partitions[id] = partition }
    lines[partition, default: Line()].receipts.append(Unsent(ids: Set(ids), next: next))
  }

  mutating func acknowledged(_ ids: [Int64]) {
    for id in ids { if let partition = partitions.removeValue(forKey: id) { acknowledged(id, partition) } }
  }

  private mutating func acknowledged(_ id: Int64, _ partition: Int32) {
    guard lines[partition] != nil else { return }
    // They are acknowledged in order, but for a few.
    for index in lines[partition]!.first..<lines[partition]!.receipts.count {
      if lines[partition]!.receipts[index].ids.remove(id) != nil { break }
    }
    while lines[partition]!.first < lines[partition]!.receipts.count {
      let receipt = lines[partition]!.receipts[lines[partition]!.first]
      guard receipt.ids.isEmpty else { break }
      positions[partition] = receipt.next
      lines[partition]!.first += 1
    }
    lines[partition]!.shrink()
  }
}
