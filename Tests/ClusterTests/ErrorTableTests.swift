import Glibc
import TestSupport
import Testing

@testable import Cluster
@testable import Configuration
@testable import Kafka
@testable import Platform
@testable import SQLite

/// `docs/troubleshooting.md` agrees with the program: each error has a row, and each row has a fix.
@Suite struct ErrorTableTests {
  private struct Row {
    let message: String
    let cause: String
    let fix: String
    /// The errors that the row describes, as the field `error` names them: "(error `NoBroker`)".
    let names: [String]
    /// The types of errors that this field does not name, in a comment at the end of the row.
    let types: [String]
  }

  private let rows: [Row]
  private let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

  init() throws {
    let text = String(decoding: try contents(of: root + "/docs/troubleshooting.md"), as: UTF8.self)
    rows = text.split(separator: "\n").compactMap { line in
      guard line.hasPrefix("| `") else { return nil }
      let parts = line.split(separator: "<!--", maxSplits: 1)
      // An empty cell is missing.
      let cells = parts[0].split(separator: "|").map(Self.trimmed).filter { !$0.isEmpty }
      let types = parts.count < 2 ? [] : parts[1].split { " ,->".contains($0) }.map { String($0) }
      let error = cells[0].firstRange(of: "(error ").map { cells[0][$0.upperBound...].prefix { $0 != ")" } } ?? ""
      return Row(
        message: cells[0], cause: cells.count > 1 ? cells[1] : "", fix: cells.count == 3 ? cells[2] : "",
        names: error.split { "`, ".contains($0) }.map { String($0) }, types: types)
    }
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text.drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    return String(text)
  }

  private func hasRow(_ words: String) -> Bool { rows.contains { $0.message.contains("`\(words)`") } }

  /// Whether a row has these words, and names that error.
  private func hasRow(_ words: String, naming error: any NamedError) -> Bool {
    rows.contains { $0.message.contains("`\(words)`") && $0.names.contains(error.name) }
  }

  private static let systemErrors = (CInt(1)...133).map { SystemError("open", "a", code: $0) }
  private static let databaseErrors = (CInt(1)...28).map { SQLiteError(code: $0, message: "", path: "", sql: nil) }

  @Test("each row has a cause and a fix") func rowsAreComplete() {
    #expect(rows.count > 80)
    for row in rows { #expect(!row.cause.isEmpty && !row.fix.isEmpty, "\(row.message)") }
  }

  @Test("each Kafka error with a fix has a row") func kafkaErrorsHaveRows() {
    for (name, fix) in KafkaErrorFix.table {
      #expect(hasRow(name), "\(name)")
      #expect(!fix("images").isEmpty, "\(name)")
    }
  }

  @Test("each Kafka row is an error with a fix") func kafkaRowsHaveErrors() {
    for row in rows {
      for name in row.message.split(separator: "`").map({ String($0) })
      where name.count > 3 && name.utf8.allSatisfy({ (65...90).contains($0) || $0 == UInt8(ascii: "_") })
        && !row.names.contains(name)
      {
        #expect(KafkaErrorFix.table[name] != nil, "\(name)")
      }
    }
  }

  @Test("each connection trouble with a fix has a row") func troublesHaveRows() {
    for entry in BrokerTrouble.table { #expect(entry.signs.contains(where: hasRow), "\(entry.signs)") }
  }

  @Test("each system error with a fix has a row with its name") func systemErrorsHaveRows() {
    for error in Self.systemErrors where error.cure != nil {
      #expect(hasRow(error.meaning, naming: error), "\(error.name): \(error)")
    }
  }

  @Test("each SQLite error with a fix has a row with its name") func databaseErrorsHaveRows() {
    for error in Self.databaseErrors where error.cure != nil {
      #expect(hasRow("SQLite \(error.code)", naming: error), "\(error.name): \(error.code)")
    }
  }

  /// Errors that the field `error` does not name by their type: those that are printed instead of logged, the kinds of
  /// dead letters, and those that have the name of a code.
  private static let unnamed: Set = [
    "BadMessage", "ConfigurationError", "EnvelopeError", "HTTPServerError", "ImageName.Refusal", "KafkaError",
    "LetterFile.Malformed", "PathPattern.Fault", "SQLiteError", "SystemError", "UsageError",
  ]

  @Test("each error type that describes itself has a row with its name") func errorTypesHaveRows() throws {
    var declared: Set<String> = []
    let walker = try FolderWalker(root: root + "/Sources") { $0 != "integration-test" }
    while let entry = walker.next() {
      guard let name = try entry.get().string, name.hasSuffix(".swift") else { continue }
      declared.formUnion(Self.errors(in: String(decoding: try contents(of: root + "/Sources/" + name), as: UTF8.self)))
    }
    #expect(declared.count > 30, "\(declared)")
    #expect(Set(rows.flatMap(\.types)) == Self.unnamed, "in comments of docs/troubleshooting.md")
    let named = Set(rows.flatMap(\.names))
    #expect(declared.subtracting(Self.unnamed).subtracting(named) == [], "not in docs/troubleshooting.md")
    let codes = Self.systemErrors.map(\.name) + Self.databaseErrors.map(\.name)
    #expect(named.subtracting(declared).subtracting(codes) == [], "in docs/troubleshooting.md, and not in Sources")
  }

  /// The names of the errors that a file declares: "NoBroker", "InputFolder.Unusable", "LedgerError.gone".
  private static func errors(in text: String) -> Set<String> {
    var found: Set<String> = []
    let keywords: Set<Substring> = ["struct", "enum", "class", "extension"]
    var outer: Substring = ""
    for line in text.split(separator: "\n") {
      let words = line.split { " :".contains($0) }
      guard words.first?.hasPrefix("//") == false,
        let keyword = words.dropLast().firstIndex(where: { keywords.contains($0) })
      else { continue }
      let type = words[keyword + 1]
      if !line.hasPrefix(" ") { outer = type }
      guard line.contains("Error, "), line.contains("CustomStringConvertible") else { continue }
      let name = line.hasPrefix(" ") ? "\(outer).\(type)" : String(type)
      // Some have a name for each case.
      let cases = text.split(separator: "\"").filter {
        $0.hasPrefix(name + ".") && $0.dropFirst(name.count + 1).allSatisfy(\.isLetter)
      }
      found.formUnion(cases.isEmpty ? [name] : cases.map { String($0) })
    }
    return found
  }

  @Test("an error names its fix once") func fixIsNamedOnce() {
    struct Other: Error, CustomStringConvertible { let description = "other: do this" }
    #expect(KafkaErrorFix.described(Other()) == "other: do this")
  }

  @Test("a property that the client refuses is named as the variable that sets it") func refusedPropertyNamesVariable()
    throws
  {
    var settings = KafkaProperties([
      "KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_LOCATION": "/no/such/file", "KAFKA_BOOTSTRAP_SERVERS": "a:1",
    ]).producer
    func words() throws -> String {
      let error = #expect(throws: KafkaError.self) { try KafkaProducer(settings) { _ in } }
      return KafkaErrorFix.described(try #require(error))
    }
    #expect(try words().contains("KAFKA_SSL_CA_LOCATION"))
    settings = KafkaSettings()
    settings.set("linger.ms", "soon")
    #expect(try words().contains("KAFKA_LINGER_MS"))
  }
}
