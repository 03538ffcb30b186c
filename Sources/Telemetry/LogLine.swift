import Platform

/// One line before it is written: pure data, which does not read the clock or depend on a terminal.
struct LogLine {
  /// The time in milliseconds since 1970.
  let milliseconds: Int64
  let level: LogLevel
  let component: String
  /// What happened, in snake case. It does not change with the message's wording.
  let event: StaticString
  let message: String
  let fields: KeyValuePairs<String, LogValue>

  /// `23:31:16 info  producer  sent  event=image_sent image=cat/001.jpg bytes=123`; the time is UTC, as everywhere.
  func text(coloured: Bool) -> String {
    let name = level.shortName + String(repeating: " ", count: 5 - level.shortName.count)
    let level = coloured ? "\u{1B}[\(level.colour)m\(name)\u{1B}[0m" : name
    let start = "\(time.dropFirst(11).prefix(8)) \(level) \(Escape.terminal(component))  \(Escape.terminal(message))"
    let fields = fields.filter { $0.value != .absent }.map { " " + Fields.text($0.key, $0.value) }
    return start + "  event=\(event)" + fields.joined()
  }

  /// `{"time":"2026-...Z","level":"info","component":"producer","event":"image_sent","message":"...","bytes":123}`
  var json: String {
    let own = [
      ("time", LogValue.string(time)), ("level", .string(level.name)), ("component", .string(component)),
      ("event", .string("\(event)")), ("message", .string(message)),
    ]
    let members =
      own
      + fields.filter { $0.value != .absent }.map { field in
        // Parsers differ on which of two equal keys counts.
        (own.contains { $0.0 == field.key } ? field.key + "_" : field.key, field.value)
      }
    return Fields.json(members)
  }

  private var time: String { WallClock.iso8601(milliseconds: milliseconds) }
}

extension LogLevel {
  /// The terminal's colour number (ECMA-48, SGR).
  fileprivate var colour: Int {
    switch self {
    case .trace, .debug: 2  // faint
    case .info: 32  // green
    case .warning: 33  // yellow
    case .error: 31  // red
    }
  }
}

extension LogValue {
  /// The value in the text format, quoted unless it is one word. In quotes, quotes and backslashes of the value
  /// are escaped with a backslash.
  var text: String {
    switch self {
    case .string(let value):
      let separators = [UInt8(ascii: " "), UInt8(ascii: "\""), UInt8(ascii: "=")]
      if !value.isEmpty, !value.utf8.contains(where: { separators.contains($0) }) { return Escape.terminal(value) }
      return "\"" + Escape.terminal(value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")) + "\""
    case .integer(let value): return String(value)
    case .number(let value): return String(value)
    case .boolean(let value): return String(value)
    case .absent: return "\"\""
    }
  }

  var json: String {
    switch self {
    case .string(let value): Escape.json(value)
    case .number(let value) where !value.isFinite: "null"
    case .absent: "null"
    case .number, .integer, .boolean: text
    }
  }
}
