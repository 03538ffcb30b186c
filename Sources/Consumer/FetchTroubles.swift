/// The reasons why partitions cannot be read. A partition's reason is gone once that partition can be read again. A
/// reason that concerns the whole topic is gone once any partition can be read again.
struct FetchTroubles {
  private var ofAll: String?
  private var reasons: [Int32: String] = [:]

  var isEmpty: Bool { ofAll == nil && reasons.isEmpty }
  var partitions: [Int32] { reasons.keys.sorted() }

  /// One of the reasons; nil if there is none.
  var reason: String? { ofAll ?? reasons.min { $0.key < $1.key }?.value }

  /// - Parameter partition: nil for all partitions.
  mutating func failed(_ partition: Int32?, _ reason: String) {
    if let partition { reasons[partition] = reason } else { ofAll = reason }
  }

  mutating func succeeded(_ partition: Int32) {
    ofAll = nil
    reasons[partition] = nil
  }
}
