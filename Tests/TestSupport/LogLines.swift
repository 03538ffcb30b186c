import Synchronization

@testable package import Telemetry

/// A log that keeps its lines in memory.
package final class LogLines: Sendable {
  private let lines = Mutex<[String]>([])

  package init() {}

  package var all: [String] { lines.withLock { $0 } }

  /// The lines in the text format, taken apart.
  package var entries: [LogEntry] { all.compactMap { LogEntry($0) } }

  package func append(_ line: String) { lines.withLock { $0.append(line) } }

  package var log: Log { log(level: .trace) }

  package func log(level: LogLevel, format: LogFormat = .text, component: String = "test") -> Log {
    Log(level: level, format: format, component: component) { [self] line in append(line) }
  }
}
