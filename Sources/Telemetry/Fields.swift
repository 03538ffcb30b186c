/// Names and values on one line, for a command's own output, in the two forms that the log has them.
package enum Fields {
  /// `image=cat/001.jpg bytes=123`: quoted where it would not be one word, control characters escaped.
  package static func text(_ fields: [(String, LogValue)]) -> String {
    fields.map { text($0.0, $0.1) }.joined(separator: " ")
  }

  static func text(_ name: String, _ value: LogValue) -> String { Escape.terminal(name) + "=" + value.text }

  /// `{"image":"cat/001.jpg","bytes":123}`
  package static func json(_ fields: [(String, LogValue)]) -> String {
    "{" + fields.map { Escape.json($0.0) + ":" + $0.1.json }.joined(separator: ",") + "}"
  }
}
