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
  ///
  /// - Parameter event: what happened, as `image_sent`. It stays when the message's wording changes, so alerts, scripts
  ///   and tests can rely on it. docs/reference.md lists all events.
  package func log(
    _ level: LogLevel, event: StaticString, _ message: @autoclosure () -> String,
    _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) {
    guard writes(level) else { return }
    let now = WallClock.milliseconds
    output.write(
      LogLine(
        milliseconds: now, level: level, component: component, event: event, message: message(), fields: fields()))
  }

  /// Whether a live line can be shown: only in the text format, on a terminal that can redraw.
  var hasLiveLine: Bool { output.hasLiveLine }

  /// Keeps a line at the bottom of the terminal, below the log, cut to the width; nil erases it. A caller that has set
  /// a line erases it before the process exits. Does nothing if `hasLiveLine` is false.
  package func setLiveLine(_ line: String?) { output.setLiveLine(line) }
}

extension Log {
  func trace(
    event: StaticString, _ message: @autoclosure () -> String,
    _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.trace, event: event, message(), fields()) }

  package func debug(
    event: StaticString, _ message: @autoclosure () -> String,
    _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.debug, event: event, message(), fields()) }

  package func info(
    event: StaticString, _ message: @autoclosure () -> String,
    _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.info, event: event, message(), fields()) }

  package func warning(
    event: StaticString, _ message: @autoclosure () -> String,
    _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.warning, event: event, message(), fields()) }

  package func error(
    event: StaticString, _ message: @autoclosure () -> String,
    _ fields: @autoclosure () -> KeyValuePairs<String, LogValue> = [:]
  ) { log(.error, event: event, message(), fields()) }
}
