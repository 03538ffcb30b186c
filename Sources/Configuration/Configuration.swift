package import Telemetry

/// Everything that the environment decides, as plain values that have been checked.
package struct Configuration: Sendable {
  package var producer: ProducerSettings
  package var consumer: ConsumerSettings
  /// nil: no health and no metrics over HTTP.
  package var http: HTTPSettings?
  package var logLevel: LogLevel
  package var logFormat: LogFormat
  /// In ms; 0: no lines of progress.
  package var progressMilliseconds: Int
  /// What is odd about the environment, but stops nothing.
  package var warnings: [String]
  /// True where the user set it: what follows other settings by default then does not.
  package var hasOwnCSVPath: Bool
}

/// Everything that is wrong with the environment, at once: each with the variable, the value and the cure.
package struct ConfigurationError: Error, CustomStringConvertible, Sendable {
  package let problems: [String]
  package var description: String { problems.joined(separator: "\n") }
}
