/// Problems that keep images from being found: folders that cannot be read, names that are not UTF-8. A problem lasts
/// until a whole scan does not meet it again.
struct ScanTroubles {
  /// The problems that last, and all that were noted.
  private(set) var count = 0
  private(set) var everCount = 0
  private var known: Set<String> = []
  private var met: Set<String> = []

  /// Above this number, a problem counts as new each time that it is met, because memory is bounded.
  private static let most = 10_000

  /// - Returns: true if the problem is not known yet.
  mutating func note(_ text: String) -> Bool {
    if met.count < Self.most { met.insert(text) }
    let isNew = known.count >= Self.most ? !known.contains(text) : known.insert(text).inserted
    if isNew { (count, everCount) = (count + 1, everCount + 1) }
    return isNew
  }

  mutating func scanEnded() {
    count -= known.subtracting(met).count
    (known, met) = (met, [])
  }
}
