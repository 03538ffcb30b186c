import Testing

/// A line of a log in the text format, taken apart. Tests assert on its event and fields, which do not change with the
/// wording.
package struct LogEntry: Sendable, Equatable {
  package let level: String
  package let component: String
  package let message: String
  package let event: String
  package let fields: [String: String]

  /// nil if the line is not the log's, but for example a command's output. A line in the JSON format fails the test:
  /// looking for an event among such lines would find none, whatever has happened.
  package init?(_ line: some StringProtocol) {
    if line.hasPrefix("{\"time\":"), line.contains("\"event\":") {
      Issue.record("a log in JSON is read as text: \(line)")
      return nil
    }
    guard let (start, fields) = Self.end(of: Substring(String(line))), let event = fields["event"] else { return nil }
    // `23:31:16 info  producer`
    let head = start.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true)
    guard head.count == 3, head[0].count == 8 else { return nil }
    level = String(head[1])
    let rest = head[2].drop { $0 == " " }
    component = String(rest.prefix { $0 != " " })
    message = String(rest.dropFirst(component.count).drop { $0 == " " })
    self.event = event
    self.fields = fields.filter { $0.key != "event" }
  }

  /// The fields at the end of a line, and the text before them. A message may contain `  event=`, and so may a value:
  /// the fields begin at the first one after which there are only fields.
  private static func end(of line: Substring) -> (Substring, [String: String])? {
    for start in line.ranges(of: "  event=") {
      var text = line[start.lowerBound...].dropFirst(2).unicodeScalars
      if let fields = takeFields(from: &text) { return (line[..<start.lowerBound], fields) }
    }
    return nil
  }

  /// Takes `name=value name="a value"` up to the end; nil if there is anything else.
  ///
  /// Scalars instead of characters: a value may begin with a combining accent, which would make one character with the
  /// equals sign.
  private static func takeFields(from text: inout Substring.UnicodeScalarView) -> [String: String]? {
    var fields: [String: String] = [:]
    repeat {
      let name = text.prefix { $0 != "=" && $0 != " " && $0 != "\"" }
      text = text[name.endIndex...]
      guard !name.isEmpty, text.popFirst() == "=", let value = takeValue(from: &text) else { return nil }
      fields[String(name)] = value
      if text.isEmpty { return fields }
    } while text.popFirst() == " "
    return nil
  }

  /// Takes a word or a quoted text; nil if it is neither.
  private static func takeValue(from text: inout Substring.UnicodeScalarView) -> String? {
    guard text.first == "\"" else {
      let word = text.prefix { $0 != " " && $0 != "=" && $0 != "\"" }
      text = text[word.endIndex...]
      return word.isEmpty ? nil : String(word)
    }
    text.removeFirst()
    var value = String.UnicodeScalarView()
    while let scalar = text.popFirst() {
      if scalar == "\"" { return String(value) }
      // Other escapes, such as \n, stay as they are.
      let isEscaped = scalar == "\\" && (text.first == "\"" || text.first == "\\")
      value.append(isEscaped ? text.removeFirst() : scalar)
    }
    return nil
  }

  /// The whole number of a field; nil if there is none.
  package func number(_ field: String) -> Int? { fields[field].flatMap { Int($0) } }

  /// The entries of a text, whose other lines are left out.
  package static func all(in text: String) -> [LogEntry] { text.split(separator: "\n").compactMap { LogEntry($0) } }
}

extension Sequence<LogEntry> {
  /// The entries of an event that have at least these fields, and a message with these words.
  ///
  /// - Parameter words: names that a person needs, such as a variable's or a file's; not a part of a sentence.
  package func events(_ event: String, _ fields: [String: String] = [:], naming words: [String] = []) -> [LogEntry] {
    filter { entry in
      entry.event == event && fields.allSatisfy { entry.fields[$0.key] == $0.value }
        && words.allSatisfy { entry.message.contains($0) }
    }
  }

  package func hasEvent(_ event: String, _ fields: [String: String] = [:], naming words: String...) -> Bool {
    !events(event, fields, naming: words).isEmpty
  }
}
