import TestSupport

@testable import Platform

/// What the programs of a chaos run have printed.
extension TestFolder {
  /// The name and the text of each program's output.
  func programOutputs() throws -> [(String, String)] {
    try Folder.open(path).names().filter { $0.hasPrefix("output-") }.map { ($0, text($0)) }
  }

  /// The first log lines about an image.
  func logLines(about name: String) -> String {
    let all = (try? programOutputs()) ?? []
    return all.flatMap { output, text in
      text.split(separator: "\n").filter { $0.contains("=\(name) ") || $0.hasSuffix("=\(name)") }
        .map { "    \(output): \($0)" }
    }.sorted().prefix(20).joined(separator: "\n")
  }
}
