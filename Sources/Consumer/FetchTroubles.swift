/// Why partitions cannot be read: each goes on for itself, and what concerns the whole topic has passed when any of them does.
struct FetchTroubles {
  private var ofAll: String?
  private var reasons: [Int32: String] = [:]

  var isEmpty: Bool { ofAll == nil && reasons.isEmpty }
  var partitions: [Int32] { reasons.keys.sorted() }

  /// One of them; nil if there is none.
  var reason: String? { ofAll ?? reasons.min { $0.key < $1.key }?.value }

  /// - Parameter partition: nil: all.
  mutating func failed(_ partition: Int32?, _ reason: String) {
    if let partition { reasons[partition] = reason } else { ofAll = reason }
  }

  mutating func goesOn(_ partition: Int32) {
    ofAll = nil
    reasons[partition] = nil
  }
}
