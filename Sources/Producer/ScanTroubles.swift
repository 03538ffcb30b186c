/// What keeps images from being found: folders that cannot be read, names that are not UTF-8. It lasts until a whole scan does
/// not meet it any more.
package struct ScanTroubles {
  private var known: Set<String> = []
  private var met: Set<String> = []

  /// More than these are counted again: memory is bounded.
  private static let most = 10_000

  /// - Returns: true if it is not known yet.
  mutating func note(_ text: String) -> Bool {
    if met.count < Self.most { met.insert(text) }
    return known.count >= Self.most ? !known.contains(text) : known.insert(text).inserted
  }

  /// - Returns: how many have passed.
  mutating func scanEnded() -> Int {
    let passed = known.subtracting(met).count
    (known, met) = (met, [])
    return passed
  }
}
