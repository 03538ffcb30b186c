/// Counts of images, for each partition and in total.
package struct AuditTable: Sendable {
  package enum Column: String, CaseIterable, Sendable {
    /// Files in the input.
    case offered
    /// Images that the ledger has.
    case sent
    /// Not sent yet, or not stored yet, and nothing is wrong with that.
    case onTheWay = "on_the_way"
    /// Images of the output whose files are as they were stored.
    case stored
    /// Sent images that were stored already, from an earlier message.
    case unchanged
    case deadLetters = "dead_letters"
    /// Removed from the topic before they were stored.
    case lost
    case missing
    case altered
    case extra
  }

  package struct Row: Equatable, Sendable {
    private var counts = [Int](repeating: 0, count: Column.allCases.count)

    package init() {}

    package subscript(column: Column) -> Int {
      get { counts[Self.number(of: column)] }
      set { counts[Self.number(of: column)] = newValue }
    }

    private static func number(of column: Column) -> Int { Column.allCases.firstIndex(of: column)! }
  }

  package private(set) var total = Row()
  package private(set) var partitions: [Int32: Row] = [:]

  mutating func add(_ column: Column, partition: Int32?, _ count: Int = 1) {
    total[column] += count
    if let partition, partition >= 0 { partitions[partition, default: Row()][column] += count }
  }

  /// Adds a row of zeros, so that the partition is shown.
  mutating func show(_ partition: Int32) { partitions[partition, default: Row()][.offered] += 0 }
}
