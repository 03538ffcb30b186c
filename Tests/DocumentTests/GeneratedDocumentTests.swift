import Testing

@testable import Configuration
@testable import Platform

/// docs/configuration.md and .env.example tell users of each variable. What they say comes from the list that the program reads.
///
/// `WRITE_DOCUMENTS=1 swift test --filter GeneratedDocumentTests` writes both after a change of the list.
@Suite(.serialized) struct GeneratedDocumentTests {
  private static let command = "WRITE_DOCUMENTS=1 swift test --filter GeneratedDocumentTests"

  /// Compares a file with what it should be, or writes it.
  private func expect(_ path: String, _ wanted: String) throws {
    if try Documents.text(path) == wanted { return }
    guard ProcessEnvironment.read()["WRITE_DOCUMENTS"] == "1" else {
      Issue.record("\(path) is not what Sources/Configuration/Variable.swift yields. To write it: \(Self.command)")
      return
    }
    let file = try File.open(Documents.root + "/" + path, .createEmpty)
    try Array(wanted.utf8).withUnsafeBytes { try file.write($0, at: 0) }
  }

  @Test("docs/configuration.md has the variables of the list") func configurationPage() throws {
    var page = try Documents.text("docs/configuration.md")
    for group in Variable.groups {
      page = try replaced("variables: \(group.title)", in: page, with: table(group.variables.map(row)))
    }
    page = try replaced("variables of compose", in: page, with: table(try composeRows()))
    try expect("docs/configuration.md", page)
  }

  @Test(".env.example has the variables of the list") func environmentExample() throws {
    var example = try Documents.text(".env.example")
    for group in Variable.groups {
      example = try replaced(
        section: group.title, in: example, with: group.variables.map(entry).joined(separator: "\n"))
    }
    try expect(".env.example", example)
  }

  @Test("words that Markdown would change are code") func code() {
    #expect(Self.marked("As in (*_small.jpg), A_B=c; a/b, end.") == "As in (`*_small.jpg`), `A_B=c`; a/b, end.")
    #expect(Self.marked("*: all.") == "`*`: all.")
  }

  // MARK: docs/configuration.md

  /// Between `<!-- name -->` and `<!-- end -->`.
  private func replaced(_ name: String, in page: String, with content: String) throws -> String {
    let start = try #require(page.firstRange(of: "<!-- \(name) -->\n"), "there is no <!-- \(name) -->")
    let end = try #require(page[start.upperBound...].firstRange(of: "<!-- end -->"), "there is no end of \(name)")
    return page[..<start.upperBound] + content + page[end.lowerBound...]
  }

  private func table(_ rows: [String]) -> String {
    "| variable | default | meaning |\n|---|---|---|\n" + rows.map { $0 + "\n" }.joined()
  }

  private func row(_ variable: Variable) -> String {
    let value = variable.defaultValue.isEmpty ? "" : "`\(variable.defaultValue)`"
    return "| `\(variable.name)` | \(value) | \(Self.marked(variable.help)) |"
  }

  /// The variables of .env.example that only compose reads: a row for each comment, with the variables below it.
  private func composeRows() throws -> [String] {
    let example = try Documents.text(".env.example")
    let start = try #require(example.firstRange(of: "# --- Containers only"))
    return example[start.upperBound...].split(separator: "\n\n").compactMap { block in
      let lines = block.split(separator: "\n")
      let comment = lines.filter { $0.hasPrefix("# ") }.map { $0.dropFirst(2) }.joined(separator: " ")
      let variables = lines.filter { !$0.hasPrefix("# ") && $0.contains("=") }.map {
        $0.dropFirst().split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      }
      guard !variables.isEmpty else { return nil }
      let names = variables.map { "`\($0[0])`" }.joined(separator: "<br>")
      let values = variables.map { $0[1].isEmpty ? "" : "`\($0[1])`" }.joined(separator: "<br>")
      return "| \(names) | \(values) | \(Self.marked(comment)) |"
    }
  }

  /// Names, patterns and paths as code.
  private static func marked(_ text: String) -> String {
    text.split(separator: " ").map { word in
      let start = word.prefix { $0 == "(" }
      let rest = word.dropFirst(start.count)
      let end = rest.reversed().prefix { ".,:;)".contains($0) }.reversed()
      let core = rest.dropLast(end.count)
      let isCode = core.contains { "*_=`".contains($0) } || core.hasPrefix("/") || core.hasSuffix("/")
      return isCode && !core.contains("`") ? start + "`" + core + "`" + String(end) : String(word)
    }.joined(separator: " ")
  }

  // MARK: .env.example

  /// From the line `# --- name ---...` to the next one of its kind.
  private func replaced(section name: String, in example: String, with content: String) throws -> String {
    let title = try #require(example.firstRange(of: "# --- \(name) -"), "there is no section \(name)")
    let line = example[title.upperBound...].prefix { $0 != "\n" }
    let start = example.index(after: line.endIndex)
    let end = try #require(example[start...].firstRange(of: "# --- "), "nothing comes after \(name)")
    return example[..<start] + "\n" + content + "\n" + example[end.lowerBound...]
  }

  private func entry(_ variable: Variable) -> String {
    wrapped(variable.help).map { "# \($0)\n" }.joined() + "#\(variable.name)=\(variable.defaultValue)\n"
  }

  private func wrapped(_ text: String) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
      if lines.last!.count + word.count + 1 > 98 { lines.append("") }
      lines[lines.count - 1] += (lines.last!.isEmpty ? "" : " ") + word
    }
    return lines
  }
}
