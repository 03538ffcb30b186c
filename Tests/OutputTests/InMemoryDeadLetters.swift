@testable import Output

/// Keeps dead letters in memory.
final class InMemoryDeadLetters: DeadLetterSink {
  var delivered: [DeadLetter] = []
  var whileWaiting: () -> Bool = { true }

  func deliver(_ letters: [DeadLetter]) -> Bool {
    delivered += letters
    return true
  }

  func settled() {}
  func close() {}
}
