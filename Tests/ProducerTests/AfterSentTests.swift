import TestSupport
import Testing

@testable import Configuration
@testable import Platform
@testable import Producer

@Suite struct AfterSentTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    _ = try scratch.folder("images")
  }

  private func afterSent(_ action: AfterSentAction) -> AfterSent {
    AfterSent(action: action, input: scratch / "images", sentFolder: scratch / "sent")
  }

  private func perform(_ action: AfterSentAction, _ path: String, _ stamp: FileStamp) throws -> AfterSent.Outcome {
    try afterSent(action).perform(path, stamp)
  }

  private func stamp(_ name: String) throws -> FileStamp { FileStamp(try scratch.status("images/" + name)) }

  @Test func keepLeavesTheFile() throws {
    try scratch.write("images/a.jpg", "a")
    #expect(try perform(.keep, "a.jpg", stamp("a.jpg")) == .stays)
    #expect(try scratch.exists("images/a.jpg"))
  }

  @Test func deleteRemovesTheFile() throws {
    try scratch.write("images/cat/a.jpg", "a")
    #expect(try perform(.delete, "cat/a.jpg", stamp("cat/a.jpg")) == .gone)
    #expect(try !scratch.exists("images/cat/a.jpg"))
  }

  @Test func deleteLeavesAFileThatWasAlteredSince() throws {
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
    #expect(try scratch.exists("images/a.jpg"))
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

  @Test func aFileThatIsGoneIsNoError() throws {
    try scratch.write("images/a.jpg", "a")
    let sent = try stamp("a.jpg")
    try Folder.open(scratch / "images").remove("a.jpg")
    #expect(try perform(.delete, "a.jpg", sent) == .stays)
    #expect(try perform(.move, "a.jpg", sent) == .stays)
    #expect(try perform(.delete, "no/such/folder.jpg", sent) == .stays)
  }

  @Test func moveTakesTheFileToItsNameInTheSentFolder() throws {
    try scratch.write("images/cat/small/a.jpg", "a")
    #expect(try perform(.move, "cat/small/a.jpg", stamp("cat/small/a.jpg")) == .gone)
    #expect(try scratch.read("sent/cat/small/a.jpg") == "a")
    #expect(try !scratch.exists("images/cat/small/a.jpg"))
  }

  @Test func moveKeepsBothVersions() throws {
    for version in ["one", "two", "three"] {
      try scratch.write("images/a.jpg", version)
      #expect(try perform(.move, "a.jpg", stamp("a.jpg")) == .gone)
    }
    #expect(try scratch.names("sent") == ["a.jpg", "a.jpg.2", "a.jpg.3"])
    #expect(try scratch.read("sent/a.jpg") == "one")
    #expect(try scratch.read("sent/a.jpg.3") == "three")
  }

  @Test func aFolderOnTheWayOfAMoveIsAnErrorAndTheFileStays() throws {
    try scratch.write("images/cat/a.jpg", "a")
    try scratch.write("sent/cat", "a file")
    #expect(throws: SystemError.self) { try perform(.move, "cat/a.jpg", stamp("cat/a.jpg")) }
    #expect(try scratch.exists("images/cat/a.jpg"))
  }

  @Test func aLinkOnTheWayIsNotFollowed() throws {
    try scratch.write("elsewhere/a.jpg", "a")
    try scratch.link("images/cat", to: scratch / "elsewhere")
    #expect(throws: SystemError.self) { try perform(.delete, "cat/a.jpg", stamp("cat/a.jpg")) }
    #expect(try scratch.exists("elsewhere/a.jpg"))
  }

  @Test(arguments: [AfterSentAction.move, .delete])
  func aSlashWithACombiningCharacterBehindItIsStillASlash(action: AfterSentAction) throws {
    let name = "cat/\u{301}a.jpg"
    try scratch.write("images/" + name, "a")
    #expect(try perform(action, name, stamp(name)) == .gone)
    #expect(try !scratch.exists("images/" + name))
    if action == .move { #expect(try scratch.read("sent/" + name) == "a") }
  }

  /// As a kill left it.
  private func setAside(_ name: String) throws {
    let folder = try Folder.open(scratch / "images")
    #expect(try SetAside.take(name, in: folder) != nil)
    #expect(try !scratch.exists("images/" + name))
  }

  @Test(arguments: ["a.jpg", String(repeating: "x", count: 251) + ".jpg"])
  func whatWasLeftSetAsideComesBackUnderItsName(name: String) throws {
    try scratch.write("images/" + name, "a")
    try setAside(name)
    let hidden = try #require(scratch.names("images").first)
    let kind = try scratch.status("images/" + hidden).kind
    #expect(SetAside.originals(hidden, kind, root: scratch / "images") == [name])
    try afterSent(.delete).recover(name)
    #expect(try scratch.names("images") == [name])
    #expect(try scratch.read("images/" + name) == "a")
  }

  @Test(arguments: AfterSentAction.allCases)
  func whatWasLeftSetAsideDoesNotReplaceANewerVersion(action: AfterSentAction) throws {
    try scratch.write("images/a.jpg", "a")
    try setAside("a.jpg")
    try scratch.write("images/a.jpg", "newer")
    try afterSent(action).recover("a.jpg")
    #expect(try scratch.read("images/a.jpg") == "newer")
    #expect(try scratch.names("images").count == (action == .keep ? 2 : 1), "to keep is to delete nothing")
    #expect(try scratch.exists("sent/a.jpg") == (action == .move))
  }

  @Test func whatWasLeftSetAsideDoesNotHinderTheNextVersion() throws {
    try scratch.write("images/a.jpg", "a")
    try setAside("a.jpg")
    try scratch.write("images/a.jpg", "newer")
    #expect(try perform(.move, "a.jpg", stamp("a.jpg")) == .gone)
    #expect(try scratch.names("images") == [])
    #expect(try scratch.read("sent/a.jpg") == "a" && scratch.read("sent/a.jpg.2") == "newer")
  }

  @Test(arguments: [".a.jpg", ".image-pipeline-sent", "a.image-pipeline-sent", "..image-pipeline-sent"])
  func aHiddenFileOfSomebodyElsesIsNotTakenForOne(name: String) throws {
    try scratch.write("images/" + name, "a")
    #expect(SetAside.originals(name, .regular, root: scratch / "images") == [])
  }

  @Test func aLinkIsDealtWithAndNotWhatItLeadsTo() throws {
    try scratch.write("elsewhere/a.jpg", "a")
    try scratch.link("images/a.jpg", to: "../elsewhere/a.jpg")
    #expect(try perform(.move, "a.jpg", stamp("a.jpg")) == .gone)
    #expect(try scratch.names("images") == [])
    #expect(try FileStatus.of(scratch / "sent/a.jpg", followingLinks: false)?.kind == .symbolicLink)
    #expect(try scratch.read("elsewhere/a.jpg") == "a")
  }

  /// Put back, it is an event in the folder, upon which it would be tried again at once.
  @Test func whatCouldNotBeMovedIsNotSetAsideAgainAtOnce() throws {
    // Where one of that name is there, the next name is too long.
    let name = String(repeating: "x", count: 251) + ".jpg"
    try scratch.write("images/" + name, "a")
    try scratch.write("sent/" + name, "earlier")
    let afterSent = afterSent(.move)
    for _ in 0..<2 {
      let said = refusal { _ = try afterSent.perform(name, stamp(name)) }
      #expect(said?.contains("too long") == true, "\(said ?? "")")
      #expect(try scratch.names("images") == [name])
    }
    let changed = try scratch.status("images/" + name).changed
    #expect(throws: SystemError.self) { _ = try afterSent.perform(name, stamp(name)) }
    #expect(try scratch.status("images/" + name).changed == changed, "not renamed")
  }
}
