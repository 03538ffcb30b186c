/// Problems that keep images from being found: folders that cannot be read, names that are not UTF-8. A problem lasts
/// until a whole scan does not meet it again.
package struct ScanTroubles {
  private var known: Set<String> = []
  private var met: Set<String> = []

  /// Above this number, a problem counts as new each time that it is met, because memory is bounded.
  private static let most = 10_000

  /// - Returns: true if the problem is not known yet.
  mutating func note(_ text: String) -> Bool {
    if met.count < Self.most { met.insert(text) }
    return known.count >= Self.most ? !known.contains(text) : known.insert(text).inserted
  }

  /// - Returns: the number of problems that have passed.
  mutating func scanEnded() -> Int {
    let passed = known.subtracting(met).count
    (known, met) = (met, [])
    return passed
  }
}
