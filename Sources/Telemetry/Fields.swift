/// Formats names and values on one line, for a command's own output, in the two formats of the log.
package enum Fields {
  /// `image=cat/001.jpg bytes=123`: a value is quoted unless it is one word; control characters are escaped.
  package static func text(_ fields: [(String, LogValue)]) -> String {
    fields.map { text($0.0, $0.1) }.joined(separator: " ")
  }

  static func text(_ name: String, _ value: LogValue) -> String { Escape.terminal(name) + "=" + value.text }

  /// `"cat/001.jpg"`
  package static func json(_ text: String) -> String { Escape.json(text) }

  /// `{"image":"cat/001.jpg","bytes":123}`
  package static func json(_ fields: [(String, LogValue)]) -> String {
    "{" + fields.map { Escape.json($0.0) + ":" + $0.1.json }.joined(separator: ",") + "}"
  }
}
