/// The importance of a line. A log writes lines of its own level and above.
package enum LogLevel: Int, Comparable, CaseIterable, Sendable {
  case trace, debug, info, warning, error

  /// A level by its name, in any case; "warn" is "warning".
  init?(name: String) {
    let name = name.lowercased()
    guard let level = Self.allCases.first(where: { $0.name == name || $0.shortName == name }) else { return nil }
    self = level
  }

  /// The name in JSON.
  package var name: String {
    switch self {
    case .trace: "trace"
    case .debug: "debug"
    case .info: "info"
    case .warning: "warning"
    case .error: "error"
    }
  }

  /// At most five letters, so that the columns of the text format line up.
  var shortName: String { self == .warning ? "warn" : name }

  package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// How a line is written: for people, or for programs.
package enum LogFormat: String, CaseIterable, Sendable {
  case text, json

  /// A format by its name, in any case.
  init?(name: String) { self.init(rawValue: name.lowercased()) }
}
