import Testing

@testable import Platform

@Suite struct DocumentLinkTests {
  @Test("each relative link leads to a file, and each anchor to a heading") func links() throws {
    let documents = try Documents.all()
    #expect(documents.count > 15)
    var checked = 0
    for document in documents {
      let text = try Documents.text(document)
      for link in Documents.links(text) where !link.contains("://") && !link.hasPrefix("mailto:") {
        checked += 1
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts[0].isEmpty ? document : Documents.resolve(String(parts[0]), from: document)
        guard let status = try FileStatus.of(Documents.root + "/" + path) else {
          Issue.record("\(document): \(link) leads to no file")
          continue
        }
        guard parts.count == 2, status.kind == .regular else { continue }
        let isThere = try Documents.anchors(Documents.text(path)).contains(String(parts[1]))
        #expect(isThere, "\(document): \(link) leads to no heading of \(path)")
      }
    }
    #expect(checked > 50)
  }

  @Test("each page can be reached from README.md") func reachable() throws {
    var reached: Set<String> = []
    var next = ["README.md"]
    while let document = next.popLast() {
      guard reached.insert(document).inserted, document.hasSuffix(".md") else { continue }
      for link in Documents.links(try Documents.text(document)) where !link.contains("://") {
        let path = link.prefix { $0 != "#" }
        if !path.isEmpty { next.append(Documents.resolve(String(path), from: document)) }
      }
    }
    let unreached = try Documents.files(in: "docs").filter { !reached.contains($0) }
    #expect(unreached == [], "no page that README.md leads to has a link to these")
  }

  @Test("links and anchors are recognised as GitHub does") func recognition() {
    #expect(
      Documents.links("[a](b.md#c) and ![d](e.svg), `[no](code)`\n\n    [no](block)\n```\n[no](fence)\n```\n")
        == ["b.md#c", "e.svg"])
    #expect(
      Documents.anchors("# A b\n## Stopping, and exit codes\n## `repair`\n## A b\n") == [
        "a-b", "stopping-and-exit-codes", "repair", "a-b-1",
      ])
    #expect(Documents.resolve("../README.md", from: "docs/development/testing.md") == "docs/README.md")
  }

  @Test("README.md is short enough to be read") func length() throws {
    #expect(try Documents.text("README.md").split(separator: "\n", omittingEmptySubsequences: false).count <= 151)
  }
}
