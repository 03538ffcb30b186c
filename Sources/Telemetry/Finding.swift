/// The result of one check: its state and, if something is not as it should be, what to do.
package struct Finding: Equatable, Sendable {
  package enum Level: String, Sendable {
    case ok
    /// It works, but might not always.
    case note
    /// Something does not work, or images are at risk.
    case problem
  }

  /// A value that the finding is about, shown in a column of its own.
  package struct Subject: Equatable, Sendable {
    package let name: String
    package let value: String
  }

  /// What was checked, in snake case, like the event of a log line. It does not change with the wording, and is the same
  /// whatever the level is.
  package let check: String
  package let level: Level
  package let text: String
  /// The fix, or the advice of a note; nil if there is nothing to do.
  package let cure: String?
  package let subject: Subject?

  package static func ok(_ check: String, _ text: String) -> Finding { Finding(check, .ok, text, nil) }
  package static func note(_ check: String, _ text: String, _ advice: String) -> Finding {
    Finding(check, .note, text, advice)
  }
  package static func problem(_ check: String, _ text: String, cure: String) -> Finding {
    Finding(check, .problem, text, cure)
  }

  /// The same finding, as a row of a table.
  package func of(_ name: String, _ value: String) -> Finding {
    Finding(check, level, text, cure, Subject(name: name, value: value))
  }

  private init(_ check: String, _ level: Level, _ text: String, _ cure: String?, _ subject: Subject? = nil) {
    self.check = check
    self.level = level
    self.text = text
    self.cure = cure
    self.subject = subject
  }

  /// The area of a check, in display order.
  package enum Area: String, CaseIterable, Sendable {
    case versions, clock, process, kafka, topic, input, output, state
    case sizes = "size limits"
    case health
  }
}
