import Telemetry

/// Everything that the environment decides, as plain values that have been checked.
public struct Configuration: Sendable {
  public var producer: ProducerSettings
  public var consumer: ConsumerSettings
  /// nil: no health and no metrics over HTTP.
  public var http: HTTPSettings?
  public var logLevel: LogLevel
  public var logFormat: LogFormat
  /// In ms; 0: no lines of progress.
  public var progressMilliseconds: Int
  /// What is odd about the environment, but stops nothing.
  public var warnings: [String]
  /// True where the user set it: what follows other settings by default then does not.
  public var hasOwnCSVPath: Bool
}

/// Everything that is wrong with the environment, at once: each with the variable, the value and the cure.
public struct ConfigurationError: Error, CustomStringConvertible, Sendable {
  public let problems: [String]
  public var description: String { problems.joined(separator: "\n") }
}
