/// One thing that was looked at: what it is like and, where it is not as it should be, what to do.
public struct Finding: Equatable, Sendable {
  public enum Level: String, Sendable {
    case ok
    /// It works, and might not always.
    case note
    /// Something does not work, or images are at risk.
    case problem
  }

  /// A value that the finding is about, in a column of its own.
  public struct Subject: Equatable, Sendable {
    public let name: String
    public let value: String
  }

  public let level: Level
  public let text: String
  /// The cure, or for a note the advice; nil where nothing is to be done.
  public let cure: String?
  public let subject: Subject?

  static func ok(_ text: String) -> Finding { Finding(.ok, text, nil) }
  static func note(_ text: String, _ advice: String) -> Finding { Finding(.note, text, advice) }
  static func problem(_ text: String, cure: String) -> Finding { Finding(.problem, text, cure) }

  /// The same, as a row of a table.
  func of(_ name: String, _ value: String) -> Finding {
    Finding(level, text, cure, Subject(name: name, value: value))
  }

  private init(_ level: Level, _ text: String, _ cure: String?, _ subject: Subject? = nil) {
    self.level = level
    self.text = text
    self.cure = cure
    self.subject = subject
  }

  /// What was looked at, in the order in which it is shown.
  public enum Area: String, CaseIterable, Sendable {
    case versions, clock, process, kafka, topic, input, output, state
    case sizes = "size limits"
    case health
  }
}

/// Which of the two sides a doctor looks at: a container sees the folders of its own side alone.
public struct DoctorSides: Equatable, Sendable {
  public var producer: Bool
  public var consumer: Bool

  public init(producer: Bool, consumer: Bool) {
    self.producer = producer
    self.consumer = consumer
  }
}
