import Glibc
import TestSupport
import Testing

@testable import Output

@Suite struct FoldedNamesTests {
  @Test(
    "similar spellings may be one name",
    arguments: [
      ("a.jpg", "A.jpg"), ("A.JPG", "a.jpg"), ("\u{E9}.jpg", "e\u{301}.jpg"), ("\u{C9}.jpg", "e\u{301}.JPG"),
      ("straße", "STRASSE"), ("\u{3A3}", "\u{3C2}"),
    ])
  func similarSpellingsMayBeOne(first: String, second: String) {
    #expect(FoldedNames.mayBeOne(first, second))
    #expect(FoldedNames.mayBeOne(second, first))
    #expect(FoldedNames.spelling(of: first, among: ["x", second]) == .other(second))
    #expect(FoldedNames.spelling(of: first, among: ["x", second, first]) == .same)
  }

  @Test("other names are different") func otherNamesDiffer() {
    #expect(!FoldedNames.mayBeOne("a.jpg", "b.jpg"))
    #expect(!FoldedNames.mayBeOne("a.jpg", "a.jpg "))
    // FAT, for example, has a second name for a long one, which no listing shows.
    #expect(FoldedNames.spelling(of: "HOLIDA~1.JPG", among: ["holiday in may.jpg"]) == .other(nil))
    #expect(FoldedNames.spelling(of: "a", among: []) == .other(nil))
  }

  @Test("an ordinary file system keeps spellings apart") func ordinaryFileSystemsDoNotFold() throws {
    let scratch = TestFolder()
    #expect(try !FoldedNames.areIn(scratch.makeFolder("out"), scratch.makeFolder("out/.image-pipeline")))
    // Not another spelling of the folder, but another folder.
    _ = try scratch.makeFolder("out/.IMAGE-PIPELINE")
    _ = try scratch.write("out/.image-pipeline/PROBE-\u{C9}", "")
    #expect(try !FoldedNames.areIn(scratch.makeFolder("out"), scratch.makeFolder("out/.image-pipeline")))
  }

  /// A hard link looks like another spelling of the name.
  @Test("another spelling is recognized by its file") func spellingIsKnownByItsFile() throws {
    let scratch = TestFolder()
    let reserved = try scratch.makeFolder("out/.image-pipeline")
    _ = try FoldedNames.areIn(scratch.makeFolder("out"), reserved)
    #expect(link(scratch / "out/.image-pipeline/probe-\u{E9}", scratch / "out/.image-pipeline/PROBE-\u{C9}") == 0)
    #expect(try FoldedNames.areIn(scratch.makeFolder("out"), reserved))
  }
}
