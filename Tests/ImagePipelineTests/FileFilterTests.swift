import Platform
import Testing

@testable import ImagePipeline

@Suite struct FileFilterTests {
  private let images = FileFilter(extensions: ["jpg", "PNG"])
  private let all = FileFilter(extensions: ["jpg", "*"])

  @Test(arguments: ["a.jpg", "a.JPG", "a.png", "a.b.Png", " .jpg", "a\u{301}.jpg", "jpg.jpg", "ü.jpg"])
  func anExtensionCountsInAnyCase(name: String) { #expect(images.accepts(name[...])) }

  @Test(arguments: ["jpg", "a", "a.", "a.jpeg", "a.jpg.txt", "ajpg", "a.jpg ", "", "a.jpg\u{301}", "notes.txt"])
  func anotherExtensionIsLeftAlone(name: String) { #expect(!images.accepts(name[...])) }

  @Test(arguments: ["a", "a.txt", "a.", "jpg", "ü", "a.tmp.jpg", "part"])
  func aStarTakesEveryFile(name: String) { #expect(all.accepts(name[...])) }

  @Test(arguments: [
    ".hidden.jpg", ".a.jpg.Xy12", "~a.jpg", "#a.jpg#", "a.jpg~", "a.jpg.part", "a.PART", "a.jpg.tmp", "a.crdownload",
    "a.jpg.filepart", "a.!ut", "x.lock", ".",
    ".\u{301}hidden.jpg", "~\u{301}a.jpg",
  ])
  func whatAProgramHasNotFinishedIsLeftAlone(name: String) {
    #expect(!images.accepts(name[...]))
    #expect(!all.accepts(name[...]))
  }

  @Test func hiddenFoldersAreNotEntered() {
    #expect(images.enters("cat"))
    #expect(images.enters("a.jpg"))
    #expect(images.enters("~x"))
    #expect(!images.enters(".sent"))
    #expect(!images.enters(".\u{301}hidden"))
    #expect(!images.enters(".image-pipeline"))
  }

  @Test func theLastComponentStandsBehindTheLastSlash() {
    #expect("a/b.jpg".lastComponent == "b.jpg")
    #expect("b.jpg".lastComponent == "b.jpg")
    #expect("a/".lastComponent == "")
    #expect(Array("a/\u{301}b.jpg".lastComponent.utf8) == Array("\u{301}b.jpg".utf8))
  }
}

@Suite struct FileStampTests {
  @Test func aStampTellsVersionsApart() throws {
    let scratch = try Scratch()
    try scratch.write("a", "one")
    let before = FileStamp(try scratch.status("a"))
    #expect(FileStamp(try scratch.status("a")) == before)
    try scratch.write("a", "three")
    #expect(FileStamp(try scratch.status("a")) != before)
    let other = FileStamp(
      size: before.size, modified: before.modified, changed: before.changed, inode: before.inode + 1)
    #expect(other != before)
  }
}
