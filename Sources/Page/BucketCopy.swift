import Bucket
import Platform
import S3
import Synchronization
import Telemetry

/// Keeps a copy of a bucket's log up to date, on a thread of its own. The bucket may have no output yet, and the store may not
/// answer: then it tries again.
final class BucketCopy: Sendable {
  struct Pace: Sendable {
    /// The time between two looks while somebody watches, and the first pause after a failure.
    var follow = Duration.seconds(1)
    /// The time between two searches for new partitions and topics.
    var search = Duration.seconds(5)
    /// The time between two looks at all that the logs have.
    var everything = Duration.seconds(300)
    /// The time between two looks while nobody watches.
    var idle = Duration.seconds(300)
    /// How long somebody counts as watching after a look at the pictures.
    var attention = Duration.seconds(30)
    var longestPause = Duration.seconds(30)
  }

  private struct State {
    var folder: String?
    var problem: String?
    var asked: MonotonicClock.Instant?
  }

  private let client: any S3Requests
  private let layout: BucketLayout
  private let pace: Pace
  private let log: Log
  private let stop: StopFlag
  private let end = StopFlag()
  private let state = Mutex(State())
  private let thread = Mutex<BackgroundThread?>(nil)

  /// - Parameter stop: ends the looks. The copy stays until `close` is called.
  init(_ client: any S3Requests, _ layout: BucketLayout, pace: Pace, log: Log, stop: StopFlag) {
    self.client = client
    self.layout = layout
    self.pace = pace
    self.log = log
    self.stop = stop
    thread.withLock { $0 = BackgroundThread.start("bucket") { [self] in run() } }
  }

  var problem: String? { state.withLock { $0.problem } }

  /// Keeps the copy up to date for a while.
  /// - Returns: the folder that has the copy; nil if there is none yet.
  func watchedFolder() -> String? {
    state.withLock { state in
      state.asked = .now
      return state.folder
    }
  }

  /// Removes the copy, and closes the client.
  func close() {
    end.set()
    // A look may wait for the store.
    client.close()
    thread.withLock { $0 }?.join()
  }

  // MARK: The thread

  private func run() {
    var mirror: BucketMirror?
    var schedule = CopySchedule(pace)
    var failure: String?
    defer { show(nil, insteadOf: &mirror) }
    repeat {
      let asked = state.withLock { $0.asked }
      guard !stop.isSet, let look = schedule.due(at: .now, asked: asked) else { continue }
      do {
        try take(look, &mirror)
        schedule.succeeded(look, at: .now)
        recovered(&failure)
      } catch {
        if stop.isSet || end.isSet { continue }
        if mirror?.isWhole == false { show(nil, insteadOf: &mirror) }
        schedule.failed(at: .now)
        failed(error, &failure)
      }
    } while !end.wait(for: min(pace.follow, .milliseconds(250)))
  }

  private func take(_ look: CopySchedule.Look, _ mirror: inout BucketMirror?) throws {
    // Somebody may have emptied the bucket.
    if look != .follow, let known = mirror, try !known.isCurrent() { show(nil, insteadOf: &mirror) }
    guard let known = mirror else {
      // A browser that knows an earlier copy reads everything again.
      let id = String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16)
      guard let new = try BucketMirror(client, layout, ownID: id) else { return }
      // What is copied can be seen at once.
      show(new, insteadOf: &mirror)
      return try new.fill(stop: stop)
    }
    switch look {
    case .follow: try known.follow()
    case .search: try known.search()
    case .everything:
      try known.fill(stop: stop)
      // `repair` may have written rows again.
      try known.fillGaps()
    }
  }

  private func show(_ new: BucketMirror?, insteadOf mirror: inout BucketMirror?) {
    let old = mirror
    mirror = new
    state.withLock { state in
      state.folder = new?.folder
      // The store answers, and the first look may take minutes.
      if new != nil { state.problem = nil }
    }
    old?.close()
  }

  // MARK: Failures

  /// - Parameter failure: the name of the one before. It stays the same while descriptions change with the object.
  private func failed(_ error: any Error, _ failure: inout String?) {
    let name = (error as? any NamedError)?.name ?? "\(type(of: error))"
    state.withLock { if $0.problem == nil || name != failure { $0.problem = "\(error)" } }
    guard name != failure else { return }
    failure = name
    log.warning(
      event: "page_bucket_failed", "the bucket cannot be read: \(error); trying again", ["error": .name(of: error)])
  }

  private func recovered(_ failure: inout String?) {
    guard failure != nil else { return }
    failure = nil
    state.withLock { $0.problem = nil }
    log.info(event: "page_bucket_recovered", "the bucket can be read again")
  }
}
