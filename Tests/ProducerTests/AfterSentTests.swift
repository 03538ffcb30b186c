import Glibc
import TestSupport
import Testing

@testable import Configuration
@testable import Platform
@testable import Producer

@Suite struct AfterSentTests {
  private let scratch: TestFolder

  init() throws {
    scratch = TestFolder()
    _ = try scratch.makeFolder("images")
  }

  private func afterSent(_ action: AfterSentAction) -> AfterSent {
    AfterSent(action: action, input: scratch / "images", sentFolder: scratch / "sent")
  }

  private func perform(_ action: AfterSentAction, _ path: String, _ stamp: FileStamp) throws -> AfterSent.Outcome {
    try afterSent(action).perform(path, stamp)
  }

  private func stamp(_ name: String) throws -> FileStamp { FileStamp(try scratch.status("images/" + name)) }

  @Test("keep leaves the file") func keepLeavesTheFile() throws {
    try scratch.write("images/a.jpg", "a")
    #expect(try perform(.keep, "a.jpg", stamp("a.jpg")) == .stays)
    #expect(scratch.exists("images/a.jpg"))
  }

  @Test("delete removes the file") func deleteRemovesTheFile() throws {
    try scratch.write("images/cat/a.jpg", "a")
    #expect(try perform(.delete, "cat/a.jpg", stamp("cat/a.jpg")) == .gone)
    #expect(!scratch.exists("images/cat/a.jpg"))
  }

  @Test("delete leaves a file that was altered since it was sent") func deleteLeavesAlteredFile() throws {
    try scratch.write("images/a.jpg", "a")
    let sent = try stamp("a.jpg")
    try scratch.write("images/a.jpg", "newer")
    #expect(try perform(.delete, "a.jpg", sent) == .again)
    #expect(try perform(.move, "a.jpg", sent) == .again)
    #expect(try scratch.read("images/a.jpg") == "newer")
  }

  @Test("a change that leaves size and mtime as they were is a change", arguments: [AfterSentAction.move, .delete])
  func hiddenChangeIsAChange(action: AfterSentAction) throws {
    try scratch.write("images/a.jpg", "a")
    let status = try scratch.status("images/a.jpg")
    let sent = FileStamp(
      size: status.size, modified: status.modified, changed: status.changed - 1, inode: status.inode)
    #expect(try perform(action, "a.jpg", sent) == .again)
    #expect(scratch.exists("images/a.jpg"))
  }

  @Test("a file that a program has open for writing stays", arguments: [AfterSentAction.move, .delete])
  func openFileStays(action: AfterSentAction) throws {
    try scratch.write("images/a.jpg", "a")
    var writer: File? = try File.open(scratch / "images/a.jpg", .readWrite)
    #expect(try perform(action, "a.jpg", stamp("a.jpg")) == .unfinished(.isOpen))
    #expect(try scratch.names("images") == ["a.jpg"])
    withExtendedLifetime(writer) {}
    writer = nil
    #expect(try perform(action, "a.jpg", stamp("a.jpg")) == .gone)
  }

  @Test("a missing file is no error") func missingFileIsNoError() throws {
    try scratch.write("images/a.jpg", "a")
    let sent = try stamp("a.jpg")
    try Folder.open(scratch / "images").remove("a.jpg")
    #expect(try perform(.delete, "a.jpg", sent) == .stays)
    #expect(try perform(.move, "a.jpg", sent) == .stays)
    #expect(try perform(.delete, "no/such/folder.jpg", sent) == .stays)
  }

  @Test("move puts the file under its name in the sent folder") func moveKeepsTheName() throws {
    try scratch.write("images/cat/small/a.jpg", "a")
    #expect(try perform(.move, "cat/small/a.jpg", stamp("cat/small/a.jpg")) == .gone)
    #expect(try scratch.read("sent/cat/small/a.jpg") == "a")
    #expect(!scratch.exists("images/cat/small/a.jpg"))
  }

  @Test("move keeps both versions of a file") func moveKeepsBothVersions() throws {
    for version in ["one", "two", "three"] {
      try scratch.write("images/a.jpg", version)
      #expect(try perform(.move, "a.jpg", stamp("a.jpg")) == .gone)
    }
    #expect(try scratch.names("sent") == ["a.jpg", "a.jpg.2", "a.jpg.3"])
    #expect(try scratch.read("sent/a.jpg") == "one")
    #expect(try scratch.read("sent/a.jpg.3") == "three")
  }

  @Test("a move that a folder blocks is an error and leaves the file") func blockedMoveLeavesTheFile() throws {
    try scratch.write("images/cat/a.jpg", "a")
    try scratch.write("sent/cat", "a file")
    #expect(throws: SystemError.self) { try perform(.move, "cat/a.jpg", stamp("cat/a.jpg")) }
    #expect(scratch.exists("images/cat/a.jpg"))
  }

  @Test("a symbolic link in the path is not followed") func linkedFolderIsNotFollowed() throws {
    try scratch.write("elsewhere/a.jpg", "a")
    try scratch.makeLink("images/cat", to: scratch / "elsewhere")
    #expect(throws: SystemError.self) { try perform(.delete, "cat/a.jpg", stamp("cat/a.jpg")) }
    #expect(scratch.exists("elsewhere/a.jpg"))
  }

  @Test("a slash before a combining character is still a slash", arguments: [AfterSentAction.move, .delete])
  func combiningCharacterAfterSlash(action: AfterSentAction) throws {
    let name = "cat/\u{301}a.jpg"
    try scratch.write("images/" + name, "a")
    #expect(try perform(action, name, stamp(name)) == .gone)
    #expect(!scratch.exists("images/" + name))
    if action == .move { #expect(try scratch.read("sent/" + name) == "a") }
  }

  /// As a kill leaves it.
  private func setAside(_ name: String) throws {
    let folder = try Folder.open(scratch / "images")
    #expect(try SetAside.take(name, in: folder) != nil)
    #expect(!scratch.exists("images/" + name))
  }

  @Test("a file left set aside returns to its name", arguments: ["a.jpg", String(repeating: "x", count: 251) + ".jpg"])
  func asideFileReturns(name: String) throws {
    try scratch.write("images/" + name, "a")
    try setAside(name)
    let hidden = try #require(scratch.names("images").first)
    let kind = try scratch.status("images/" + hidden).kind
    #expect(SetAside.originals(hidden, kind, root: scratch / "images") == [name])
    try afterSent(.delete).recover(name)
    #expect(try scratch.names("images") == [name])
    #expect(try scratch.read("images/" + name) == "a")
  }

  @Test("a file left set aside does not replace a newer version", arguments: AfterSentAction.allCases)
  func asideFileReplacesNothing(action: AfterSentAction) throws {
    try scratch.write("images/a.jpg", "a")
    try setAside("a.jpg")
    try scratch.write("images/a.jpg", "newer")
    try afterSent(action).recover("a.jpg")
    #expect(try scratch.read("images/a.jpg") == "newer")
    #expect(try scratch.names("images").count == (action == .keep ? 2 : 1), "to keep is to delete nothing")
    #expect(scratch.exists("sent/a.jpg") == (action == .move))
  }

  @Test("a file left set aside does not block the next version") func asideFileBlocksNothing() throws {
    try scratch.write("images/a.jpg", "a")
    try setAside("a.jpg")
    try scratch.write("images/a.jpg", "newer")
    #expect(try perform(.move, "a.jpg", stamp("a.jpg")) == .gone)
    #expect(try scratch.names("images") == [])
    #expect(try scratch.read("sent/a.jpg") == "a" && scratch.read("sent/a.jpg.2") == "newer")
  }

  @Test(
    "a foreign hidden file is not taken for one set aside",
    arguments: [".a.jpg", ".image-pipeline-sent", "a.image-pipeline-sent", "..image-pipeline-sent"])
  func foreignHiddenFileIsNotAside(name: String) throws {
    try scratch.write("images/" + name, "a")
    #expect(SetAside.originals(name, .regular, root: scratch / "images") == [])
  }

  @Test("a linked image's link is moved or deleted, not its target") func linkIsMovedNotItsTarget() throws {
    try scratch.write("elsewhere/a.jpg", "a")
    try scratch.makeLink("images/a.jpg", to: "../elsewhere/a.jpg")
    #expect(try perform(.move, "a.jpg", stamp("a.jpg")) == .gone)
    #expect(try scratch.names("images") == [])
    #expect(try FileStatus.of(scratch / "sent/a.jpg", followingLinks: false)?.kind == .symbolicLink)
    #expect(try scratch.read("elsewhere/a.jpg") == "a")
  }

  /// Putting it back is an event in the folder, which would retry it at once.
  @Test("a failed move is not retried at once") func failedMoveIsNotRetriedAtOnce() throws {
    // If a file of that name exists, the next name is too long.
    let name = String(repeating: "x", count: 251) + ".jpg"
    try scratch.write("images/" + name, "a")
    try scratch.write("sent/" + name, "earlier")
    let afterSent = afterSent(.move)
    for _ in 0..<2 {
      let error = #expect(throws: SystemError.self) { _ = try afterSent.perform(name, stamp(name)) }
      #expect(error?.code == ENAMETOOLONG)
      #expect(try scratch.names("images") == [name])
    }
    let changed = try scratch.status("images/" + name).changed
    #expect(throws: SystemError.self) { _ = try afterSent.perform(name, stamp(name)) }
    #expect(try scratch.status("images/" + name).changed == changed, "not renamed")
  }
}
