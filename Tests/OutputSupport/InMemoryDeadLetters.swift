package import Output

/// Keeps dead letters in memory.
package final class InMemoryDeadLetters: DeadLetterSink {
  package var delivered: [DeadLetter] = []
  package var whileWaiting: () -> Bool = { true }

  package init() {}

  package func deliver(_ letters: [DeadLetter]) -> Bool {
    delivered += letters
    return true
  }

  package func settled() {}
  package func close() {}
}
