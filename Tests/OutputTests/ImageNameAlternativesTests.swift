import TestSupport
import Testing

@testable import Output
@testable import Wire

/// Alternative names for images whose own name is taken.
@Suite struct ImageNameAlternativesTests {
  private let hash = digest(of: "an image")

  @Test(
    "the name that an image was sent under is found again",
    arguments: ["cat/001.jpg", "a/b.c/plain", ".hidden", "~.jpg"])
  func originalIsFound(name: String) throws {
    let sent = try ImageName(name)
    for stored in sent.alternatives(hash) { #expect(stored.original(hash).value == name) }
    #expect(sent.original(hash).value == name)
    #expect(try ImageName("x~0a1b2c3d.jpg").original(hash).value == "x~0a1b2c3d.jpg", "another image's hash")
  }

  private func alternatives(_ name: String) throws -> [String] { try ImageName(name).alternatives(hash).map(\.value) }

  @Test("the hash comes before the extension, in the same folder, with more digits each time")
  func alternativesUseTheHash() throws {
    let hex = hash.hex
    #expect(
      try alternatives("cat/001.jpg") == [
        "cat/001~\(hex.prefix(8)).jpg", "cat/001~\(hex.prefix(16)).jpg", "cat/001~\(hex).jpg",
      ])
    #expect(try alternatives("a/b.c/plain").first == "a/b.c/plain~\(hex.prefix(8))")
    #expect(try alternatives(".hidden").first == ".hidden~\(hex.prefix(8))")
    #expect(try alternatives("x.tar.gz").first == "x.tar~\(hex.prefix(8)).gz")
    let long = "a." + String(repeating: "e", count: 40)
    #expect(try alternatives(long).first == "\(long)~\(hex.prefix(8))", "that is no extension")
  }

  @Test(
    "a name of maximal length is shortened and stays UTF-8",
    arguments: [
      String(repeating: "a", count: 251) + ".jpg", String(repeating: "ä", count: 125) + ".jpeg",
      String(repeating: "😀", count: 63), "." + String(repeating: "a", count: 254),
      Array(repeating: String(repeating: "f", count: 200), count: 14).joined(separator: "/") + "/"
        + String(repeating: "ö", count: 125) + ".jpg",
    ])
  func longNamesAreShortened(name: String) throws {
    let original = try ImageName(name)
    let alternatives = original.alternatives(hash)
    #expect(Set(alternatives).count == 3)
    for alternative in alternatives {
      #expect(alternative != original && alternative.folders == original.folders)
      #expect(alternative.leaf.utf8.count <= ImageName.longestComponent)
      #expect(alternative.value.utf8.count <= ImageName.longestName)
      #expect(!alternative.leaf.contains("\u{FFFD}"))
    }
  }
}
