import Platform

/// Whether the bucket had exactly this image before its first segment arrived. The batch with that segment asks. The batches
/// with the other segments wait for the answer.
final class StoredLook: Sendable {
  enum Answer {
    case stored
    case notStored
    /// Only the transaction will ask.
    case left
    /// The store did not answer, or the batch was not prepared.
    case failed
  }

  private let monitor = Monitor(conditions: 1)
  // Accessed only under the monitor.
  nonisolated(unsafe) private var answer: Answer?

  /// The first answer counts.
  func set(_ new: Answer) {
    monitor.locked {
      if answer == nil { answer = new }
      monitor.wakeAll(0)
    }
  }

  var isLeft: Bool { monitor.locked { answer == .left } }
  /// False also as long as there is no answer.
  var isStored: Bool { monitor.locked { answer == .stored } }

  /// Waits for the answer. The batch that asks gives one in any case.
  func wait() -> Answer {
    monitor.locked {
      _ = monitor.wait(for: 0, until: nil) { answer != nil }
      return answer!
    }
  }
}
