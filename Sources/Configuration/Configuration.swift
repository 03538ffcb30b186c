package import Telemetry

/// All settings from the environment, as plain values that have been checked.
package struct Configuration: Sendable {
  package var producer: ProducerSettings
  package var consumer: ConsumerSettings
  /// nil: health and metrics are not served over HTTP.
  package var http: HTTPSettings?
  package var page: PageSettings
  /// The errors in the page's variables. Producer and consumer run in spite of them.
  package var pageProblems: [String]
  package var logLevel: LogLevel
  package var logFormat: LogFormat
  /// The time between two lines of progress; zero: none are logged.
  package var progressInterval: Duration
  /// Oddities of the environment that do not prevent a run.
  package var warnings: [String]
  /// Whether the user set `CSV_PATH`. If so, the path does not follow other settings, as the default does.
  package var hasOwnCSVPath: Bool

  package func checkPage() throws(ConfigurationError) {
    if !pageProblems.isEmpty { throw ConfigurationError(problems: pageProblems) }
  }
}

/// All problems of the environment at once, each with the variable, the value and the fix.
package struct ConfigurationError: Error, CustomStringConvertible, Sendable {
  package let problems: [String]
  package var description: String { problems.joined(separator: "\n") }
}
