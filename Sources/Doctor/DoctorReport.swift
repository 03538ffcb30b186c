package import Telemetry

/// Writes findings as they arrive, and counts them: for people grouped, with at most two lines each; for programs as
/// one JSON object each.
package final class DoctorReport {
  package struct Counts: Equatable, Sendable {
    var ok = 0
    var notes = 0
    package var problems = 0
  }

  package private(set) var counts = Counts()
  private let format: LogFormat
  private let write: (String) -> Void
  private var area: Finding.Area?
  /// The area whose heading was written last. A heading is written with its first finding.
  private var shown: Finding.Area?

  /// - Parameter write: takes whole lines, each with its line break.
  package init(format: LogFormat, write: @escaping (String) -> Void) {
    self.format = format
    self.write = write
  }

  func begin(_ area: Finding.Area) { self.area = area }

  func add(_ findings: [Finding]) { for finding in findings { add(finding) } }

  func add(_ finding: Finding) {
    switch finding.level {
    case .ok: counts.ok += 1
    case .note: counts.notes += 1
    case .problem: counts.problems += 1
    }
    write(format == .json ? json(finding) : text(finding))
  }

  /// - Parameter isStopped: true if not everything was checked.
  func end(isStopped: Bool) {
    guard format == .text else {
      return write(
        Fields.json([
          ("ok", .of(counts.ok)), ("notes", .of(counts.notes)), ("problems", .of(counts.problems)),
          ("stopped", .of(isStopped)),
        ]) + "\n")
    }
    let judgement = counts.problems == 0 ? "no problem" : Quantity.count(counts.problems, "problem")
    write(
      "\n\(isStopped ? "Stopped before the end: " : "")\(judgement), \(Quantity.count(counts.notes, "note")), "
        + "\(Quantity.grouped(counts.ok)) ok\n")
  }

  private func json(_ finding: Finding) -> String {
    var fields: [(String, LogValue)] = [
      ("area", .string(area?.rawValue ?? "")), ("check", .string(finding.check)),
      ("finding", .string(finding.level.rawValue)),
    ]
    if let subject = finding.subject { fields += [("name", .string(subject.name)), ("value", .string(subject.value))] }
    fields.append(("text", .string(finding.text)))
    if let cure = finding.cure { fields.append((finding.level == .note ? "advice" : "cure", .string(cure))) }
    return Fields.json(fields) + "\n"
  }

  private func text(_ finding: Finding) -> String {
    var lines = ""
    if let area, area != shown {
      lines = (shown == nil ? "" : "\n") + area.rawValue.prefix(1).uppercased() + area.rawValue.dropFirst() + "\n"
      shown = area
    }
    let mark =
      switch finding.level {
      case .ok: "ok       "
      case .note: "note     "
      case .problem: "PROBLEM  "
      }
    lines += "  " + mark
    if let subject = finding.subject {
      lines += Self.padded(subject.name, 38) + Self.padded(subject.value, 15, left: true) + "  "
    }
    lines += Escape.terminal(finding.text) + "\n"
    if let cure = finding.cure {
      lines += "             " + (finding.level == .problem ? "fix: " : "") + Escape.terminal(cure) + "\n"
    }
    return lines
  }

  private static func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
    let text = Escape.terminal(text)
    let blanks = String(repeating: " ", count: max(0, width - text.count))
    return left ? blanks + text : text + blanks
  }
}
