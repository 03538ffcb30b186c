import Platform

/// Collects the answers to requests that were sent together.
final class Answers: @unchecked Sendable {
  private let monitor = Monitor(conditions: 1)
  // Accessed only under the monitor.
  private var all: [Result<S3Response, S3Error>?]
  private var missing: Int

  init(count: Int) {
    all = Array(repeating: nil, count: count)
    missing = count
  }

  func set(_ answer: Result<S3Response, S3Error>, at index: Int) {
    monitor.locked {
      all[index] = answer
      missing -= 1
      if missing == 0 { monitor.wakeAll(0) }
    }
  }

  /// - Returns: nil if some are missing after that time.
  func wait(for time: Duration) -> [Result<S3Response, S3Error>]? {
    monitor.locked {
      monitor.wait(for: 0, until: Deadline(in: time)) { missing == 0 } ? all.map { $0! } : nil
    }
  }
}
