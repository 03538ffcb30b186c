import Platform

/// Writes events, one line each. Shared by all threads: lines never mix.
package final class Log: Sendable {
  private let output: LogOutput
  private let component: String

  /// A log to stderr, with one write(2) per line.
  ///
  /// - Parameters:
  ///   - level: the lowest level that is written.
  ///   - component: the part of the product that logs: "producer".
  package convenience init(level: LogLevel, format: LogFormat, component: String) {
    let output = LogOutput(level: level, format: format, screen: .standardError) { Terminal.write($0, to: 2) }
    self.init(output: output, component: component)
  }

  /// A log to any other output, without a live line.
  ///
  /// - Parameter sink: receives each line without its line end, one at a time. It must not log.
  convenience init(
    level: LogLevel, format: LogFormat, component: String, sink: @escaping @Sendable (String) -> Void
  ) {
    let output = LogOutput(level: level, format: format, screen: .none) { sink(String($0.dropLast())) }
    self.init(output: output, component: component)
  }

  init(output: LogOutput, component: String) {
    self.output = output
    self.component = component
  }

  /// The same log for another part of the product. It shares the live line.
  package func with(component: String) -> Log { Log(output: output, component: component) }

  /// Whether lines of that level are written. Check it before computing something costly only for the log.
  func writes(_ level: LogLevel) -> Bool { level >= output.level }

  /// Writes a line. Message and fields are evaluated only if the level is written; control characters are escaped.
  package func log(
    _ level: LogLevel, _ message: @autoclosure () -> String,
    _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) {
    guard writes(level) else { return }
    let now = WallClock.milliseconds
    output.write(
      LogLine(milliseconds: now, level: level, component: component, message: message(), fields: fields()))
  }

  /// Whether a live line can be shown: only in the text format, on a terminal that can redraw.
  var hasLiveLine: Bool { output.hasLiveLine }

  /// Keeps a line at the bottom of the terminal, below the log, cut to the width; nil erases it. A caller that has set
  /// a line erases it before the process exits. Does nothing if `hasLiveLine` is false.
  package func setLiveLine(_ line: String?) { output.setLiveLine(line) }
}

extension Log {
  func trace(
    _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.trace, message(), fields()) }

  package func debug(
    _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.debug, message(), fields()) }

  package func info(
    _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.info, message(), fields()) }

  package func warning(
    _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.warning, message(), fields()) }

  package func error(
    _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.error, message(), fields()) }
}
