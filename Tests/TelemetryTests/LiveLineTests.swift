import TestSupport
import Testing

@testable import Telemetry

@Suite struct LiveLineTests {
  private let lines = LogLines()
  private let erase = "\r\u{1B}[2K"

  private func log(_ format: LogFormat = .text, colour: Bool = false, redraw: Bool = true, width: Int = 80) -> Log {
    let lines = lines
    let screen = LogOutput.Screen(canRedraw: redraw, hasColour: colour, width: { width })
    return Log(output: LogOutput(level: .info, format: format, screen: screen) { lines.append($0) }, component: "c")
  }

  @Test("a log line and the live line below it are one write") func logAndLiveLineAreOneWrite() throws {
    let log = log()
    #expect(log.hasLiveLine)
    log.setLiveLine("50 %")
    log.info(event: "e", "sent")
    log.setLiveLine(nil)
    log.info(event: "e", "done")
    let writes = lines.all
    try #require(writes.count == 4)
    #expect(writes[0] == erase + "50 %")
    #expect(writes[1].hasPrefix(erase) && writes[1].hasSuffix(" info  c  sent  event=e\n50 %"))
    #expect(writes[2] == erase)
    #expect(!writes[3].contains("\u{1B}") && writes[3].hasSuffix(" info  c  done  event=e\n"))
  }

  @Test("an unchanged live line is not redrawn") func sameLiveLineIsNotRedrawn() {
    let log = log()
    log.setLiveLine("50 %")
    log.with(component: "d").setLiveLine("50 %")
    #expect(lines.all.count == 1)
    log.setLiveLine(nil)
    log.setLiveLine(nil)
    #expect(lines.all.count == 2)
  }

  @Test("a live line is cut to the width and escaped") func liveLineIsCutAndEscaped() {
    let log = log(width: 6)
    log.setLiveLine("0123456789")
    log.setLiveLine("猫猫猫")
    log.setLiveLine("a\n\u{1B}b")
    #expect(lines.all == [erase + "01234", erase + "猫猫", erase + #"a\n\u"#])
  }

  @Test(
    "a text is measured in columns",
    arguments: [
      ("abc", 2, "ab"), ("abc", 0, ""), ("abc", -1, ""), ("猫a", 1, ""), ("猫a", 3, "猫a"), ("🐱🐱", 3, "🐱"),
      ("e\u{301}e\u{301}", 1, "e\u{301}"), ("❤️a", 2, "❤️"),
    ])
  func textIsMeasuredInColumns(text: String, width: Int, expected: String) {
    #expect(Columns.cut(text, to: width) == expected)
  }

  @Test("programs and dumb terminals get no live line") func dumbTerminalHasNoLiveLine() {
    for log in [log(.json), log(redraw: false)] {
      #expect(!log.hasLiveLine)
      log.setLiveLine("50 %")
    }
    #expect(lines.all.isEmpty)
  }

  @Test("only the level is colored, and never in JSON") func onlyLevelIsColored() throws {
    log(colour: true).error(event: "e", "x")
    log(.json, colour: true).error(event: "e", "x")
    try #require(lines.all.count == 2)
    #expect(lines.all[0].hasSuffix(" \u{1B}[31merror\u{1B}[0m c  x  event=e\n"))
    #expect(!lines.all[1].contains("\u{1B}"))
  }
}
