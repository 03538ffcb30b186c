import TestSupport

/// What a program has logged, by events.
extension Program {
  /// The log lines so far. A command's own output is left out.
  var log: [LogEntry] { output.log }

  func events(_ event: String, _ fields: [String: String] = [:]) -> [LogEntry] { log.events(event, fields) }

  /// Whether it has logged an event with at least these fields, and with these words in its message.
  func hasEvent(_ event: String, _ fields: [String: String] = [:], naming words: String...) -> Bool {
    !log.events(event, fields, naming: words).isEmpty
  }

  /// What a command with `--json` has printed so far: its findings, and at the end its counts.
  var results: [JSONLine] { output.results }

  /// The images that a producer has sent in its whole run; nil before it exits.
  var sent: Int? { log.sent }

  /// The images that a consumer has stored in its whole run; nil before it exits.
  var stored: Int? { log.stored }
}

extension [LogEntry] {
  /// The last line of a producer or consumer that has exited.
  var summary: LogEntry? { last { ["producer_finished", "consumer_finished"].contains($0.event) } }

  var sent: Int? { events("producer_finished").last?.number("images") }

  var stored: Int? { events("consumer_finished").last?.number("images") }
}

extension String {
  /// The log lines among a program's output.
  var log: [LogEntry] { LogEntry.all(in: self) }

  /// The JSON objects among it.
  var results: [JSONLine] { JSONLine.all(in: self) }

  /// The whole numbers in a row of a command's report, without their separators: `images   5 carried, 1,200 refused`.
  func numbers(in row: String) -> [Int] {
    let line = split(separator: "\n").first { $0.drop { $0 == " " }.hasPrefix(row) }
    return (line ?? "").split { $0 == " " }.compactMap { Int($0.filter { $0 != "," }) }
  }

  /// Whether this is the output of a `repair --json` that found nothing to change.
  var isOfSoundOutput: Bool {
    let results = results
    return results.count == 1 && results[0].has(["repairs": "0", "remaining": "0"])
  }
}
