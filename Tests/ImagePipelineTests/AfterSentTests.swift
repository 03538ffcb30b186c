import Platform
import Testing

@testable import ImagePipeline

@Suite struct AfterSentTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    _ = try scratch.folder("images")
  }

  private func perform(_ action: AfterSentAction, _ path: String, _ stamp: FileStamp) throws -> Bool {
    try AfterSent(action: action, input: scratch / "images", sentFolder: scratch / "sent").perform(path, stamp)
  }

  private func stamp(_ name: String) throws -> FileStamp { FileStamp(try scratch.status("images/" + name)) }

  @Test func keepLeavesTheFile() throws {
    try scratch.write("images/a.jpg", "a")
    #expect(try !perform(.keep, "a.jpg", stamp("a.jpg")))
    #expect(try scratch.exists("images/a.jpg"))
  }

  @Test func deleteRemovesTheFile() throws {
    try scratch.write("images/cat/a.jpg", "a")
    #expect(try perform(.delete, "cat/a.jpg", stamp("cat/a.jpg")))
    #expect(try !scratch.exists("images/cat/a.jpg"))
  }

  @Test func deleteLeavesAFileThatWasAlteredSince() throws {
    try scratch.write("images/a.jpg", "a")
    let sent = try stamp("a.jpg")
    try scratch.write("images/a.jpg", "newer")
    #expect(try !perform(.delete, "a.jpg", sent))
    #expect(try !perform(.move, "a.jpg", sent))
    #expect(try scratch.read("images/a.jpg") == "newer")
  }

  @Test func aFileThatIsGoneIsNoError() throws {
    try scratch.write("images/a.jpg", "a")
    let sent = try stamp("a.jpg")
    try Folder.open(scratch / "images").remove("a.jpg")
    #expect(try !perform(.delete, "a.jpg", sent))
    #expect(try !perform(.move, "a.jpg", sent))
    #expect(try !perform(.delete, "no/such/folder.jpg", sent))
  }

  @Test func moveTakesTheFileToItsNameInTheSentFolder() throws {
    try scratch.write("images/cat/small/a.jpg", "a")
    #expect(try perform(.move, "cat/small/a.jpg", stamp("cat/small/a.jpg")))
    #expect(try scratch.read("sent/cat/small/a.jpg") == "a")
    #expect(try !scratch.exists("images/cat/small/a.jpg"))
  }

  @Test func moveKeepsBothVersions() throws {
    for version in ["one", "two", "three"] {
      try scratch.write("images/a.jpg", version)
      #expect(try perform(.move, "a.jpg", stamp("a.jpg")))
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
    #expect(try perform(action, name, stamp(name)))
    #expect(try !scratch.exists("images/" + name))
    if action == .move { #expect(try scratch.read("sent/" + name) == "a") }
  }
}
