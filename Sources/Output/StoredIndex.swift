/// Where each name's newest row came from: partition and offset. A few bytes for each row, so that a million of them
/// fit into memory. Names are known by their hashes.
struct StoredIndex {
  struct Origin: Equatable {
    let partition: Int32
    let offset: Int64
    /// A message of another topic.
    static let elsewhere = Origin(partition: -1, offset: -1)
  }

  private struct Item {
    let hash: Int
    let offset: Int64
    let partition: Int32
    /// The row's place among all rows.
    let order: UInt32
  }

  private var items: [Item] = []
  private var isSorted = true

  /// - Parameter capacity: how many rows there are, so that no memory is allocated twice.
  init(capacity: Int) { items.reserveCapacity(capacity) }

  /// Adds a row. Later rows of a name replace earlier ones.
  mutating func add(_ name: String, _ origin: Origin) {
    items.append(
      Item(
        hash: Self.hash(name), offset: origin.offset, partition: origin.partition,
        order: UInt32(truncatingIfNeeded: items.count)))
    isSorted = false
  }

  /// To be called after the last `add`.
  mutating func sort() {
    guard !isSorted else { return }
    items.sort { ($0.hash, $0.order) < ($1.hash, $1.order) }
    isSorted = true
  }

  func origin(of name: String) -> Origin? {
    let hash = Self.hash(name)
    var (low, high) = (0, items.count)
    // The end of the items with this hash: the last one before it is the newest row.
    while low < high {
      let middle = (low + high) / 2
      if items[middle].hash <= hash { low = middle + 1 } else { high = middle }
    }
    guard low > 0, items[low - 1].hash == hash else { return nil }
    return Origin(partition: items[low - 1].partition, offset: items[low - 1].offset)
  }

  // By bytes: two `String`s are equal if they differ only in composed and decomposed letters.
  static func hash(_ name: String) -> Int {
    var (name, hasher) = (name, Hasher())
    name.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    return hasher.finalize()
  }
}
