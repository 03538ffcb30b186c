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
    /// The Swift types whose errors the row describes.
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
      return Row(
        message: cells[0], cause: cells.count > 1 ? cells[1] : "", fix: cells.count == 3 ? cells[2] : "", types: types)
    }
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text.drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    return String(text)
  }

  private func hasRow(_ words: String) -> Bool { rows.contains { $0.message.contains("`\(words)`") } }

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
      where name.count > 3 && name.utf8.allSatisfy({ (65...90).contains($0) || $0 == UInt8(ascii: "_") }) {
        #expect(KafkaErrorFix.table[name] != nil, "\(name)")
      }
    }
  }

  @Test("each connection trouble with a fix has a row") func troublesHaveRows() {
    for entry in BrokerTrouble.table { #expect(entry.signs.contains(where: hasRow), "\(entry.signs)") }
  }

  @Test("each system error with a fix has a row") func systemErrorsHaveRows() {
    for code in CInt(1)...133 {
      let error = SystemError("open", "a", code: code)
      if error.cure != nil { #expect(hasRow(error.meaning), "\(error)") }
    }
  }

  @Test("each SQLite error with a fix has a row") func databaseErrorsHaveRows() {
    for code in CInt(1)...28 where SQLiteError(code: code, message: "", path: "", sql: nil).cure != nil {
      #expect(hasRow("SQLite \(code)"), "\(code)")
    }
  }

  @Test("each error type that describes itself has a row") func errorTypesHaveRows() throws {
    var declared: [String: Int] = [:]
    let walker = try FolderWalker(root: root + "/Sources") { $0 != "integration-test" }
    while let entry = walker.next() {
      guard let name = try entry.get().string, name.hasSuffix(".swift") else { continue }
      let text = String(decoding: try contents(of: root + "/Sources/" + name), as: UTF8.self)
      for line in text.split(separator: "\n") where line.contains("Error, ") && line.contains("CustomStringConvertible")
      {
        let words = line.split { " :".contains($0) }
        guard let keyword = words.firstIndex(where: { ["struct", "enum", "class"].contains($0) }) else { continue }
        declared[String(words[keyword + 1]), default: 0] += 1
      }
    }
    #expect(declared.count > 15, "\(declared)")
    for (type, count) in declared {
      #expect(rows.count { $0.types.contains(type) } >= count, "\(type) in docs/troubleshooting.md: <!-- \(type) -->")
    }
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
    #expect(try words().contains("correct KAFKA_SSL_CA_LOCATION"))
    settings = KafkaSettings()
    settings.set("linger.ms", "soon")
    #expect(try words().contains("correct KAFKA_LINGER_MS"))
  }
}
