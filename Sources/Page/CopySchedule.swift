import Platform

/// When the copy of a bucket's log is brought up to date, and how. Every look is requests, which cost time and money, so
/// there are few while nobody watches.
struct CopySchedule {
  enum Look: Equatable {
    /// The batches that follow in the known logs.
    case follow
    /// These, and those of new logs.
    case search
    /// All that the logs have, in whatever order that is.
    case everything
  }

  private let pace: BucketCopy.Pace
  private var backoff: Backoff
  private var lastLook: MonotonicClock.Instant?
  private var lastSearch: MonotonicClock.Instant?
  private var lastWhole: MonotonicClock.Instant?
  /// After a failure: when it is tried again.
  private var nextAttempt: MonotonicClock.Instant?

  init(_ pace: BucketCopy.Pace) {
    self.pace = pace
    backoff = Backoff(from: pace.follow, to: pace.longestPause)
  }

  /// - Parameter asked: when somebody looked at the pictures last; nil: never.
  /// - Returns: nil if nothing is due.
  func due(at now: MonotonicClock.Instant, asked: MonotonicClock.Instant?) -> Look? {
    if let nextAttempt { return now >= nextAttempt ? .everything : nil }
    guard let lastLook, let lastSearch, let lastWhole else { return .everything }
    let isWatched = asked.map { now - $0 < pace.attention } ?? false
    guard isWatched else { return now - lastLook >= pace.idle ? .everything : nil }
    // After a long time there may be many batches.
    if now - lastLook >= pace.attention || now - lastWhole >= pace.everything { return .everything }
    guard now - lastLook >= pace.follow else { return nil }
    return now - lastSearch >= pace.search ? .search : .follow
  }

  mutating func succeeded(_ look: Look, at now: MonotonicClock.Instant) {
    backoff.succeeded()
    nextAttempt = nil
    lastLook = now
    if look != .follow { lastSearch = now }
    if look == .everything { lastWhole = now }
  }

  mutating func failed(at now: MonotonicClock.Instant) { nextAttempt = now + backoff.failed() }
}
