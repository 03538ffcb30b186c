import TestSupport
import Testing

@testable import Configuration

/// Users copy `.env.example`: it must agree with the program.
@Suite struct EnvironmentExampleTests {
  /// The lines `#NAME=default`, in order.
  private let examples: [(name: String, value: String)]
  private let lines: [Substring]
  private let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

  init() throws {
    let text = String(decoding: try contents(of: root + "/.env.example"), as: UTF8.self)
    lines = text.split(separator: "\n")
    examples = lines.compactMap { line in
      let parts = line.dropFirst().split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard line.first == "#", parts.count == 2,
        parts[0].utf8.allSatisfy({ (65...90).contains($0) || (48...57).contains($0) || $0 == 95 })
      else { return nil }
      return (String(parts[0]), String(parts[1]))
    }
  }

  @Test("every variable is listed with its default") func everyVariableHasItsDefault() {
    for variable in Variable.groups.flatMap(\.variables) {
      let found = examples.filter { $0.name == variable.name }
      #expect(found.map(\.value) == [variable.defaultValue], "\(variable.name)")
    }
  }

  @Test("only variables of the program, compose and Kafka are listed") func onlyKnownVariablesAreListed() throws {
    let compose = Set(try composeVariables().map(\.name))
    for (name, value) in examples where Variable.all[name] == nil && !compose.contains(name) {
      #expect(name.hasPrefix("KAFKA_"), "\(name)")
      let properties = KafkaProperties([name: value])
      #expect(properties.warnings == [], "\(name)")
    }
  }

  /// The variables of the compose files, with their defaults.
  private func composeVariables() throws -> [(name: String, defaultValue: String)] {
    let files =
      ["docker-compose.yml"]
      + ["lite", "cluster", "external", "monitoring", "bucket"].map { "docker/compose.\($0).yml" }
    var found: [(name: String, defaultValue: String)] = []
    for file in files {
      let text = String(decoding: try contents(of: root + "/" + file), as: UTF8.self)
      for line in text.split(separator: "\n") where line.first(where: { $0 != " " }) != "#" {
        // `${NAME}`, `${NAME:-default}` or `${NAME:?error}`.
        for piece in line.split(separator: "${", omittingEmptySubsequences: false).dropFirst() {
          let expression = piece.prefix { $0 != "}" }
          let name = expression.prefix { $0.isUppercase || $0.isNumber || $0 == "_" }
          let rest = expression.dropFirst(name.count)
          found.append((String(name), rest.hasPrefix(":-") ? String(rest.dropFirst(2)) : ""))
        }
      }
    }
    return found
  }

  @Test("every variable that compose reads is listed with its default") func composeVariablesAreListed() throws {
    let own = try composeVariables().filter { Variable.all[$0.name] == nil }
    #expect(own.count > 30)
    for (name, value) in own where name != "BROKER_HEAP_OPTS" {
      #expect(examples.filter { $0.name == name }.map(\.value) == [value], "\(name)")
    }
    #expect(examples.contains { $0.name == "BROKER_HEAP_OPTS" })
  }

  /// A setting that is not passed on would silently have no effect.
  @Test("every variable reaches the containers") func everyVariableReachesTheContainers() throws {
    let files = ["/docker-compose.yml", "/docker/compose.bucket.yml"]
    let text = try files.map { String(decoding: try contents(of: root + $0), as: UTF8.self) }.joined(separator: "\n")
    let given = text.split(separator: "\n").filter { $0.hasPrefix("  ") }.compactMap {
      $0.dropFirst(2).split(separator: ":").first.map { String($0) }
    }
    #expect(Set(Variable.all.keys).subtracting(given) == [])
  }

  @Test("the order is that of --help") func orderIsThatOfTheHelp() {
    #expect(examples.map(\.name).filter { Variable.all[$0] != nil } == Variable.groups.flatMap(\.variables).map(\.name))
  }

  @Test("nothing is set") func nothingIsSet() { #expect(lines.allSatisfy { $0.hasPrefix("#") }) }
}
