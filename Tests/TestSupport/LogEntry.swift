/// A line of a log in the text format, taken apart. Tests assert on its event and fields, which do not change with the
/// wording.
package struct LogEntry: Sendable, Equatable {
  package let level: String
  package let component: String
  package let message: String
  package let event: String
  package let fields: [String: String]

  /// nil if the line is not the log's, but for example a command's output.
  package init?(_ line: some StringProtocol) {
    guard let start = line.ranges(of: "  event=").last else { return nil }
    // `23:31:16 info  producer`
    let head = line[..<start.lowerBound].split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true)
    guard head.count == 3, head[0].count == 8 else { return nil }
    level = String(head[1])
    let rest = head[2].drop { $0 == " " }
    component = String(rest.prefix { $0 != " " })
    message = String(rest.dropFirst(component.count).drop { $0 == " " })
    var fields: [String: String] = [:]
    var text = Substring(line[start.lowerBound...].dropFirst(2))
    while let equals = text.firstIndex(of: "=") {
      let name = text[..<equals]
      text = text[text.index(after: equals)...]
      fields[String(name)] = Self.takeValue(from: &text)
      text = text.drop { $0 == " " }
    }
    event = fields.removeValue(forKey: "event") ?? ""
    self.fields = fields
  }

  /// Takes a word, or a quoted text, from the beginning.
  private static func takeValue(from text: inout Substring) -> String {
    guard text.first == "\"" else {
      let word = text.prefix { $0 != " " }
      text = text[word.endIndex...]
      return String(word)
    }
    text.removeFirst()
    var value = ""
    while let character = text.popFirst(), character != "\"" {
      let isEscaped = character == "\\" && text.first == "\""
      value.append(isEscaped ? text.removeFirst() : character)
    }
    return value
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
