import Testing

@testable import Telemetry

@Suite struct EscapeTests {
  @Test(
    "control characters cannot reach the terminal",
    arguments: [
      ("plain Zoë 🐱", "plain Zoë 🐱"), ("a\nb\r\tc", #"a\nb\r\tc"#), ("\r\n", #"\r\n"#),
      ("\u{1B}[2Jgone", #"\u001b[2Jgone"#),
      ("\0\u{7F}", #"\u0000\u007f"#), ("\u{9B}31m", #"\u009b31m"#), ("a\u{202E}gpj.b", #"a\u202egpj.b"#),
      ("\u{2028}", #"\u2028"#), (#"a\b "c""#, #"a\b "c""#),
    ])
  func controlCharactersAreEscaped(text: String, escaped: String) {
    #expect(Escape.terminal(text) == escaped)
  }

  @Test(
    "a JSON string has the meaning of its text",
    arguments: [
      ("", #""""#), (#"a"b\c/d"#, #""a\"b\\c/d""#), ("\u{8}\u{C}\n", #""\u0008\u000c\n""#),
      ("\u{1F}\0", #""\u001f\u0000""#),
      ("é猫🐱", #""é猫🐱""#), ("\r\n", #""\r\n""#),
    ])
  func jsonStringEqualsText(text: String, escaped: String) {
    #expect(Escape.json(text) == escaped)
  }

  @Test("neither message nor field can forge a log line") func linesCannotBeForged() {
    let line = LogLine(
      milliseconds: 0, level: .info, component: "c\n", event: "e", message: "a\n00:00:00 error c  forged",
      fields: ["k\n": "v\n"])
    #expect(!line.text(coloured: false).contains("\n"))
    #expect(!line.json.contains("\n"))
  }
}
