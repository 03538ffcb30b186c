/// The offsets that the group's coordinator was told, for those who watch the group. They are never used as positions.
struct OffsetCommits {
  typealias Instant = ContinuousClock.Instant

  private var told: [Int32: Int64] = [:]
  private var notBefore: Instant?
  /// The delay before a refused commit is repeated.
  private let retry: Duration

  init(retry: Duration) { self.retry = retry }

  /// - Returns: the offsets to commit now; nil if they are committed already, or if it is too early.
  mutating func due(_ offsets: [Int32: Int64], at now: Instant) -> [Int32: Int64]? {
    guard !offsets.isEmpty, offsets != told, notBefore.map({ now >= $0 }) ?? true else { return nil }
    told = offsets
    return offsets
  }

  /// A refused commit has to be repeated: the next message to be committed with may not arrive for a long time.
  mutating func refused(at now: Instant) {
    told = [:]
    notBefore = now + retry
  }

  mutating func forget() { told = [:] }
}
