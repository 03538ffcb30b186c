/// What the group's coordinator has been told, for those who watch the group. It is never used as a position.
struct OffsetCommits {
  typealias Instant = ContinuousClock.Instant

  private var told: [Int32: Int64] = [:]
  private var notBefore: Instant?
  /// What was refused is not repeated sooner.
  private let retry: Duration

  init(retry: Duration) { self.retry = retry }

  /// - Returns: nil if there is nothing to tell, or not yet.
  mutating func due(_ offsets: [Int32: Int64], at now: Instant) -> [Int32: Int64]? {
    guard !offsets.isEmpty, offsets != told, notBefore.map({ now >= $0 }) ?? true else { return nil }
    told = offsets
    return offsets
  }

  /// Nothing else may come for long, to be committed with it: it has to be repeated.
  mutating func refused(at now: Instant) {
    told = [:]
    notBefore = now + retry
  }

  mutating func forget() { told = [:] }
}
