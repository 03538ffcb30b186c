import Glibc
import TestSupport
import Testing

@testable import Output

@Suite struct FoldedNamesTests {
  @Test(arguments: [
    ("a.jpg", "A.jpg"), ("A.JPG", "a.jpg"), ("\u{E9}.jpg", "e\u{301}.jpg"), ("\u{C9}.jpg", "e\u{301}.JPG"),
    ("straße", "STRASSE"), ("\u{3A3}", "\u{3C2}"),
  ])
  func spellingsThatMayBeOneAreSaidToBe(first: String, second: String) {
    #expect(FoldedNames.mayBeOne(first, second))
    #expect(FoldedNames.mayBeOne(second, first))
    #expect(FoldedNames.spelling(of: first, among: ["x", second]) == .other(second))
    #expect(FoldedNames.spelling(of: first, among: ["x", second, first]) == .same)
  }

  @Test func otherNamesAreOthers() {
    #expect(!FoldedNames.mayBeOne("a.jpg", "b.jpg"))
    #expect(!FoldedNames.mayBeOne("a.jpg", "a.jpg "))
    // As FAT has a second name for a long one, which no listing shows.
    #expect(FoldedNames.spelling(of: "HOLIDA~1.JPG", among: ["holiday in may.jpg"]) == .other(nil))
    #expect(FoldedNames.spelling(of: "a", among: []) == .other(nil))
  }

  @Test func anOrdinaryFileSystemKeepsThemApart() throws {
    let scratch = try Scratch()
    #expect(try !FoldedNames.areIn(scratch.folder("out"), scratch.folder("out/.image-pipeline")))
    // Not the folder in another spelling, but another one.
    _ = try scratch.folder("out/.IMAGE-PIPELINE")
    _ = try scratch.write("out/.image-pipeline/PROBE-\u{C9}", "")
    #expect(try !FoldedNames.areIn(scratch.folder("out"), scratch.folder("out/.image-pipeline")))
  }

  /// A second name of a file is what another spelling of it looks like.
  @Test func anotherSpellingIsKnownByTheFileThatItLeadsTo() throws {
    let scratch = try Scratch()
    let reserved = try scratch.folder("out/.image-pipeline")
    _ = try FoldedNames.areIn(scratch.folder("out"), reserved)
    #expect(link(scratch / "out/.image-pipeline/probe-\u{E9}", scratch / "out/.image-pipeline/PROBE-\u{C9}") == 0)
    #expect(try FoldedNames.areIn(scratch.folder("out"), reserved))
  }
}
