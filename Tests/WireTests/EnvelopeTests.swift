import TestSupport
import Testing

@testable import Wire

@Suite struct EnvelopeTests {
  @Test("a value equals that of the Python scripts") func valueEqualsPythonScripts() {
    #expect(envelopeText("cat.jpg", "foobar") == #"{"image_name": "cat.jpg", "image_content": "Zm9vYmFy"}"#)
  }

  @Test("an empty image is an empty string") func emptyImageIsEmptyString() {
    #expect(envelopeText("empty.png") == #"{"image_name": "empty.png", "image_content": ""}"#)
  }

  @Test("no slash is escaped") func noSlashIsEscaped() {
    #expect(
      envelopeText("a/b/c.jpg", "\u{3F}\u{3F}\u{3F}") == #"{"image_name": "a/b/c.jpg", "image_content": "Pz8/"}"#)
  }

  @Test(
    "a name is escaped as JSON requires",
    arguments: [
      (#"say "hi".png"#, #"say \"hi\".png"#), (#"back\slash"#, #"back\\slash"#),
      ("tab\tline\nend", #"tab\u0009line\u000aend"#),
      ("\u{0}\u{1}\u{1F}", #"\u0000\u0001\u001f"#), ("\u{7F} é 猫 🐈", "\u{7F} é 猫 🐈"), (#"\u0041"#, #"\\u0041"#),
      ("\"\u{301}", "\\\"\u{301}"),
    ])
  func nameIsEscapedForJSON(name: String, escaped: String) {
    #expect(envelopeText(name) == "{\"image_name\": \"\(escaped)\", \"image_content\": \"\"}")
  }

  @Test("the size is exact for every length") func sizeIsExact() {
    for count in 0...20 {
      let content = [UInt8](repeating: 7, count: count)
      let text = String(decoding: envelope("n", content), as: UTF8.self)
      #expect(text.hasSuffix("\"}"))
      #expect(text.utf8.count == Envelope(name: "n").size(carrying: count))
    }
  }

  @Test("the longest name fits the default limit with a whole segment") func longestNameFitsDefaultLimit() {
    // Every byte of the name is a control character, which takes six bytes.
    let name = String(repeating: "\u{1}", count: ImageName.longestName)
    let value = Envelope(name: name).size(carrying: WireFormat.defaultSegmentBytes)
    #expect(value + name.utf8.count + 1_000 < 1_000_000)
  }
}
