import Testing

@testable import Platform

/// What the documents list, and the sources: nothing is missing in the lists, and nothing is in them that does not exist.
@Suite struct ReferenceDocumentTests {
  private func sources(_ folder: String) throws -> [String] {
    try Documents.files(in: folder).filter { $0.hasSuffix(".swift") }
  }

  /// What stands between backticks.
  private func codeSpans(_ text: String) -> [Substring] {
    text.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map(
      \.element)
  }

  @Test("each fault point is in docs/development/exactly-once.md") func faultPoints() throws {
    let path = try #require(try sources("Sources").first { $0.hasSuffix("/FaultPoint.swift") })
    let points = try Documents.text(path).split(separator: "\n").compactMap { line -> String? in
      let words = line.split(separator: " ")
      return words.count == 2 && words[0] == "case" ? String(words[1]) : nil
    }
    #expect(points.count > 20)
    let spans = Set(codeSpans(try Documents.text("docs/development/exactly-once.md")).map { String($0) })
    #expect(points.filter { !spans.contains($0) } == [], "not in docs/development/exactly-once.md")
  }

  @Test("each Swift file that the development pages name exists") func files() throws {
    let names = Set(
      try (sources("Sources") + sources("Tests")).compactMap { $0.split(separator: "/").last.map { String($0) } })
    for page in try Documents.files(in: "docs/development") {
      let named = codeSpans(try Documents.text(page)).map { String($0) }.filter {
        $0.hasSuffix(".swift") && !$0.contains("/")
      }
      #expect(named.filter { !names.contains($0) } == [], "\(page) names files that do not exist")
    }
  }

  @Test("each metric is in docs/reference.md, and no other is") func metrics() throws {
    var metrics: Set<String> = []
    for path in try sources("Sources") {
      // A name is a text of its own.
      for text in try Documents.text(path).split(separator: "\"") where isMetric(text) { metrics.insert(String(text)) }
    }
    #expect(metrics.count > 20)
    let spans = Set(codeSpans(try Documents.text("docs/reference.md")).filter(isMetric).map { String($0) })
    #expect(metrics.subtracting(spans) == [], "not in docs/reference.md")
    #expect(spans.subtracting(metrics) == [], "in docs/reference.md, and not in Sources")
  }

  private func isMetric(_ text: Substring) -> Bool {
    ["image_pipeline_", "process_"].contains { text.hasPrefix($0) }
      && text.allSatisfy { $0.isLowercase || $0.isNumber || $0 == "_" }
  }

  @Test("each event of the log is in docs/reference.md with its level, and no other is") func events() throws {
    var events: Set<String> = []
    for path in try sources("Sources") {
      let parts = try Documents.text(path).split(separator: "event: \"", omittingEmptySubsequences: false)
      for (before, after) in zip(parts, parts.dropFirst()) {
        // `log.warning(`, or `log.log(level, ` with the level of the event's cause.
        let call = before.split(separator: ".").last?.filter { !$0.isWhitespace } ?? ""
        let level = call == "log(level," ? "any" : call.dropLast()
        events.insert("`\(after.prefix { $0 != "\"" })` | \(level)")
      }
    }
    #expect(events.count > 70)
    let page = try Documents.text("docs/reference.md")
    let start = try #require(page.firstRange(of: "\n## Events\n")).upperBound
    let section = page[start...].firstRange(of: "\n## ").map { page[start..<$0.lowerBound] } ?? page[start...]
    let rows = Set(
      section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { row in
        row.dropFirst(2).split(separator: " | ").prefix(2).joined(separator: " | ")
      })
    #expect(events.subtracting(rows) == [], "not in docs/reference.md")
    #expect(rows.subtracting(events) == [], "in docs/reference.md, and not in Sources")
  }

  @Test("each of doctor's checks is in docs/reference.md, and no other is") func checks() throws {
    var checks: Set<String> = []
    for path in try sources("Sources") where path.hasPrefix("Sources/Doctor/") || path.hasSuffix("/SizeLimits.swift") {
      let text = try Documents.text(path)
      // `.note("backlog", ...`; the key may be in a line of its own.
      for call in [".ok(", ".note(", ".problem(", "untold(", "passing("] {
        for after in text.split(separator: call, omittingEmptySubsequences: false).dropFirst() {
          let argument = after.drop { $0.isWhitespace }
          if argument.first == "\"" { checks.insert(String(argument.dropFirst().prefix { $0 != "\"" })) }
        }
      }
    }
    #expect(checks.count > 60)
    let page = try Documents.text("docs/reference.md")
    let start = try #require(page.firstRange(of: "\n| check | area |")).upperBound
    let end = try #require(page[start...].firstRange(of: "\n**`verify")).lowerBound
    let rows = page[start..<end].split(separator: "\n").filter { $0.hasPrefix("| `") }
    let listed = Set(rows.compactMap { $0.split(separator: "`").dropFirst().first.map { String($0) } })
    #expect(checks.subtracting(listed) == [], "not in docs/reference.md")
    #expect(listed.subtracting(checks) == [], "in docs/reference.md, and not in Sources")
  }

  @Test("each kind of finding of audit is in docs/reference.md, and no other is") func auditFindings() throws {
    var kinds: Set<String> = []
    for path in ["Sources/Audit/AuditFinding.swift", "Sources/Output/OutputAudit.swift"] {
      for line in try Documents.text(path).split(separator: "\n")
      where line.drop(while: { $0 == " " }).hasPrefix("case ") {
        let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
        if parts.count == 3, parts[0].hasSuffix(" = "), parts[2].isEmpty { kinds.insert(String(parts[1])) }
      }
    }
    #expect(kinds.count > 15)
    let page = try Documents.text("docs/reference.md")
    let start = try #require(page.firstRange(of: "\n**`audit --json`**")).upperBound
    let end = try #require(page[start...].firstRange(of: "\nAfter the findings")).lowerBound
    let rows = page[start..<end].split(separator: "\n").filter { $0.hasPrefix("| `") }
    let listed = Set(rows.compactMap { $0.split(separator: "`").dropFirst().first.map { String($0) } })
    #expect(kinds == listed)
  }

  @Test("the CSV file's columns are in docs/reference.md") func columns() throws {
    let path = try #require(try sources("Sources").first { $0.hasSuffix("/CSVLine.swift") })
    let text = try Documents.text(path)
    let start = try #require(text.firstRange(of: "static let columns = ["))
    let columns = text[start.upperBound...].prefix { $0 != "]" }.split(separator: "\"").filter {
      $0.first?.isLowercase == true
    }
    #expect(columns.count == 12)
    let spans = Set(codeSpans(try Documents.text("docs/reference.md")).map { String($0) })
    #expect(columns.filter { !spans.contains(String($0)) } == [], "not in docs/reference.md")
  }

  @Test("each alert is in docs/monitoring.md") func alerts() throws {
    let alerts = try Documents.text("docker/monitoring/alerts.yml").split(separator: "\n").compactMap { line in
      line.firstRange(of: "- alert: ").map { String(line[$0.upperBound...]) }
    }
    #expect(alerts.count > 5)
    let spans = Set(codeSpans(try Documents.text("docs/monitoring.md")).map { String($0) })
    #expect(alerts.filter { !spans.contains($0) } == [], "not in docs/monitoring.md")
  }
}
