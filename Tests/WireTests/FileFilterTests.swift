import TestSupport
import Testing

@testable import Platform
@testable import Wire

@Suite struct FileFilterTests {
  private let images = FileFilter(extensions: ["jpg", "PNG"])
  private let all = FileFilter(extensions: ["jpg", "*"])

  @Test(
    "an extension matches in any case",
    arguments: ["a.jpg", "a.JPG", "a.png", "a.b.Png", " .jpg", "a\u{301}.jpg", "jpg.jpg", "ü.jpg"])
  func extensionIgnoresCase(name: String) { #expect(images.accepts(name)) }

  @Test(
    "another extension is left alone",
    arguments: ["jpg", "a", "a.", "a.jpeg", "a.jpg.txt", "ajpg", "a.jpg ", "", "a.jpg\u{301}", "notes.txt"])
  func otherExtensionIsLeftAlone(name: String) { #expect(!images.accepts(name)) }

  @Test("* matches every file", arguments: ["a", "a.txt", "a.", "jpg", "ü", "a.tmp.jpg", "part"])
  func starTakesEveryFile(name: String) { #expect(all.accepts(name)) }

  @Test(
    "an unfinished file is left alone",
    arguments: [
      ".hidden.jpg", ".a.jpg.Xy12", "~a.jpg", "#a.jpg#", "a.jpg~", "a.jpg.part", "a.PART", "a.jpg.tmp", "a.crdownload",
      "a.jpg.filepart", "a.!ut", "x.lock", ".",
      ".\u{301}hidden.jpg", "~\u{301}a.jpg",
    ])
  func unfinishedFileIsLeftAlone(name: String) {
    #expect(!images.accepts(name))
    #expect(!all.accepts(name))
  }

  @Test("hidden folders are not entered") func hiddenFoldersAreNotEntered() {
    #expect(images.enters("cat"))
    #expect(images.enters("a.jpg"))
    #expect(images.enters("~x"))
    #expect(!images.enters(".sent"))
    #expect(!images.enters(".\u{301}hidden"))
    #expect(!images.enters(".image-pipeline"))
  }

  @Test(
    "folders of storage and operating systems are not entered, at any depth and in any case",
    arguments: [
      "@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "@tmp", "$RECYCLE.BIN", "$Recycle.Bin",
      "System Volume Information", "lost+found", "__MACOSX", "~snapshot", ".Trash-1000", ".@__thumb", ".snapshot",
      ".zfs",
    ])
  func systemFoldersAreNotEntered(name: String) {
    #expect(!all.enters(name))
    #expect(!images.enters("cat/" + name))
    #expect(FileFilter.isOfSystem("cat/\(name)/a.jpg") || name.hasPrefix("."))
  }

  @Test(
    "folders that only resemble system folders are entered",
    arguments: ["eaDir", "@cat", "#1", "recycle", "lost", "snapshot", "$"])
  func similarFoldersAreEntered(name: String) {
    #expect(all.enters(name))
    #expect(!FileFilter.isOfSystem(name + "/a.jpg"))
  }

  @Test(
    "files of operating systems are no images",
    arguments: [
      "Thumbs.db", "thumbs.db", "ehthumbs.db", "Desktop.ini", "Icon\r", "a.jpg:Zone.Identifier", "._a.jpg", ".DS_Store",
    ])
  func systemFilesAreNoImages(name: String) {
    #expect(!all.accepts("cat/" + name))
    #expect(FileFilter.isOfSystem("cat/" + name))
  }

  @Test("names that IMAGE_EXCLUDE matches are neither accepted nor entered")
  func excludedNamesAreLeftAlone() throws {
    let patterns = try ["*_small.jpg", "raw/", "2024/**"].map { try PathPattern($0) }
    let filter = FileFilter(extensions: ["jpg"], excluding: patterns)
    #expect(filter.accepts("a.jpg") && filter.accepts("cat/raw") == false && filter.enters("cat"))
    #expect(!filter.accepts("cat/a_small.jpg") && filter.verdict("cat/a_small.jpg") == .excluded)
    #expect(!filter.enters("raw") && !filter.enters("cat/raw") && !filter.enters("2024"))
    #expect(filter.enters("cat/2024"))
    // Files that are no images do not count as excluded.
    #expect(filter.verdict("cat/.a_small.jpg") == .unfinished && filter.verdict("raw.txt") == .otherExtension)
  }

  @Test("the last component follows the last slash") func lastComponentFollowsLastSlash() {
    #expect("a/b.jpg".lastComponent == "b.jpg")
    #expect("b.jpg".lastComponent == "b.jpg")
    #expect("a/".lastComponent == "")
    #expect(Array("a/\u{301}b.jpg".lastComponent.utf8) == Array("\u{301}b.jpg".utf8))
  }
}
