import DeadLetters
import Platform
import Telemetry

/// A replay of dead letters that somebody has begun on the page, and what has become of it.
struct FailureReplay: Sendable {
  let id: Int
  /// nil: all of them.
  let place: LetterPlace?
  var counts = DeadLetterService.Counts()
  /// Why it ended early.
  var problem: String?
  var isRunning = true

  var json: String {
    Fields.json([
      ("id", .of(id)), ("all", .of(place == nil)), ("running", .of(isRunning)), ("sent", .of(counts.sent)),
      ("failed", .of(counts.failed)), ("stay", .of(counts.foreign)),
      ("problem", problem.map { .string($0) } ?? .absent),
    ])
  }
}
