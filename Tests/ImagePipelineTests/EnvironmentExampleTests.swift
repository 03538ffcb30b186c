import Testing

@testable import ImagePipeline

/// `.env.example` is what a user copies: it and the program must say the same.
@Suite struct EnvironmentExampleTests {
  /// The lines `#NAME=default`, in their order.
  private let examples: [(name: String, value: String)]
  private let lines: [Substring]

  init() throws {
    let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
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

  @Test func everyVariableIsThereWithItsDefault() {
    for variable in Variable.groups.flatMap(\.variables) {
      let found = examples.filter { $0.name == variable.name }
      #expect(found.map(\.value) == [variable.defaultValue], "\(variable.name)")
    }
  }

  @Test func nothingElseIsThereButExamplesOfKafkasProperties() {
    for (name, value) in examples where Variable.all[name] == nil {
      #expect(name.hasPrefix("KAFKA_"), "\(name)")
      let properties = KafkaProperties([name: value])
      #expect(properties.warnings == [], "\(name)")
    }
  }

  @Test func theOrderIsTheOneOfTheHelp() {
    #expect(examples.map(\.name).filter { Variable.all[$0] != nil } == Variable.groups.flatMap(\.variables).map(\.name))
  }

  @Test func nothingIsSetInIt() { #expect(lines.allSatisfy { $0.hasPrefix("#") }) }
}
