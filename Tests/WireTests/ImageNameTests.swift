import TestSupport
import Testing

@testable import Wire

@Suite struct ImageNameTests {
  @Test("a name is split into folders and leaf") func nameIsSplit() throws {
    let name = try ImageName("a/b c/d.jpg")
    #expect(name.value == "a/b c/d.jpg")
    #expect(name.folders == ["a", "b c"])
    #expect(name.leaf == "d.jpg")
  }

  @Test("the label is the first folder, or the file's name at the top") func labelIsFirstFolder() throws {
    #expect(try ImageName("cat/001.jpg").label == "cat")
    #expect(try ImageName("cat/kittens/001.jpg").label == "cat")
    #expect(try ImageName("001.jpg").label == "001.jpg")
  }

  @Test(
    "a name that cannot be stored is refused with its reason",
    arguments: [
      ("", "empty"), ("/etc/passwd", "absolute"), ("//a", "absolute"), ("..", "component \"..\""),
      ("../a.jpg", "component \"..\""), ("a/../../b.jpg", "component \"..\""), ("a/..", "component \"..\""),
      (".", "component \".\""), ("./a.jpg", "component \".\""), ("a/./b", "component \".\""),
      ("a//b", "empty component"),
      ("a/", "empty component"), ("a\0.jpg", "NUL"), ("a/\0", "NUL"), (".image-pipeline", "belongs to the consumer"),
      (".image-pipeline/catalog.sqlite", "belongs to the consumer"),
      (String(repeating: "x", count: 256), "more than 255 bytes"),
      ("a/" + String(repeating: "é", count: 128), "more than 255 bytes"),
      (String(repeating: "x/", count: 1_536) + "y", "longer than 3072 bytes"),
      (String(repeating: "x", count: 300), "more than 255 bytes"),
      (String(repeating: "folder/", count: 714) + "xy", "longer than 3072 bytes"), ("/etc/x", "absolute"),
      ("a/../../x", "component \"..\""), ("a/b/.", "component \".\""), ("\0", "NUL"),
    ])
  func unstorableNameIsRefused(name: String, reason: String) {
    let said = refusal { _ = try ImageName(name) }
    #expect(said?.contains(reason) == true, "\(said ?? "nothing was refused")")
  }

  /// The reason goes into the log and into a dead letter's headers, whatever was sent.
  @Test("a name that is far too long is abbreviated in the reason") func longNameIsAbbreviated() throws {
    let said = try #require(refusal { _ = try ImageName("é" + String(repeating: "long", count: 250_000)) })
    #expect(said.contains("\"élong") && said.contains(" 3072 bytes"), "\(said.prefix(300))")
    #expect(said.utf8.count < 300, "\(said.utf8.count) bytes")
  }

  @Test(
    "a name that only looks odd is accepted",
    arguments: [
      "...", "..a", ".a", ".hidden/x", "a/.image-pipeline", ".image-pipelines/x", ".Image-Pipeline/x", "a\\..\\b", "~",
      "-rf",
      "a:b", " ", "CON", "NUL.jpg", "com1", "dot.", "space ", "a<b>|?*", "=1+1", "%2e%2e/x", "..%2fx",
      "\u{FF0E}\u{FF0E}/x", "\n", String(repeating: "x", count: 255), "\u{202E}gpj.exe",
      String(repeating: "x/", count: 1_535) + "yy",
    ])
  func oddNameIsAccepted(name: String) throws { #expect(try ImageName(name).value == name) }

  @Test("a slash before a combining character is still a slash") func combiningCharacterAfterSlash() throws {
    let name = try ImageName("a/\u{301}b.jpg")
    #expect(name.folders == ["a"])
    #expect(name.leaf == "\u{301}b.jpg")
    #expect(throws: ImageName.Refusal.self) { try ImageName("../\u{301}") }
    #expect(throws: ImageName.Refusal.self) { try ImageName("/\u{301}etc") }
    #expect(throws: ImageName.Refusal.self) { try ImageName(".image-pipeline/\u{301}x") }
    #expect(throws: ImageName.Refusal.self) { try ImageName("a/../\u{301}/b") }
    // Two dots with an accent on the second are an ordinary name.
    #expect(try ImageName("..\u{301}/x").folders == ["..\u{301}"])
  }
}
