import Glibc
import TestSupport
import Testing

@testable import Platform
@testable import Telemetry

@Suite struct LogTests {
  private let lines = LogLines()

  private func log(_ level: LogLevel = .info, _ format: LogFormat = .text) -> Log {
    lines.log(level: level, format: format, component: "producer")
  }

  @Test("a text line has time, level, component, message and fields") func textLineHasAllParts() {
    let line = LogLine(
      milliseconds: 1_795_476_676_123, level: .info, component: "producer", event: "image_sent",
      message: "sent cat/001.jpg",
      fields: ["bytes": 123, "partition": 0, "ok": true, "rate": 1.5, "name": "a b", "empty": "", "q": "\"=\""])
    #expect(
      line.text(coloured: false)
        == #"23:31:16 info  producer  sent cat/001.jpg  event=image_sent bytes=123 partition=0 ok=true rate=1.5 "#
        + #"name="a b" empty="" q="\"=\"""#
    )
  }

  @Test("the columns of text lines are aligned for every level") func textColumnsAreAligned() {
    let texts = LogLevel.allCases.map {
      LogLine(milliseconds: 0, level: $0, component: "c", event: "e", message: "m", fields: [:]).text(coloured: false)
    }
    #expect(
      texts == [
        "00:00:00 trace c  m  event=e", "00:00:00 debug c  m  event=e", "00:00:00 info  c  m  event=e",
        "00:00:00 warn  c  m  event=e",
        "00:00:00 error c  m  event=e",
      ])
  }

  @Test("a JSON line has the same parts as members") func jsonLineHasAllParts() {
    let line = LogLine(
      milliseconds: 1_795_476_676_123, level: .warning, component: "producer", event: "said", message: "say \"hi\"",
      fields: [
        "bytes": 123, "ok": false, "rate": 0.5, "level": "high", "event": "other", "none": .number(.nan),
        "path": "a\\b",
      ])
    #expect(
      line.json == #"{"time":"2026-11-23T23:31:16.123Z","level":"warning","component":"producer","#
        + #""event":"said","message":"say \"hi\"","bytes":123,"ok":false,"rate":0.5,"level_":"high","event_":"other","none":null,"path":"a\\b"}"#
    )
  }

  @Test("an absent value has no field", arguments: [LogFormat.text, .json]) func absentValuesHaveNoField(
    format: LogFormat
  ) {
    log(.info, format).info(event: "e", "m", ["a": .unlessZero(0), "b": .unlessZero(2)])
    let end = format == .text ? "event=e b=2" : #""event":"e","message":"m","b":2}"#
    #expect(lines.all.map { $0.hasSuffix(end) } == [true], "\(lines.all)")
  }

  @Test("only lines at the level or above are written") func lowerLevelsAreDropped() {
    let log = log(.warning)
    log.trace(event: "a", "1")
    log.debug(event: "b", "2")
    log.info(event: "c", "3")
    log.warning(event: "d", "4")
    log.error(event: "e", "5", ["n": 1])
    log.log(.info, event: "f", "6")
    #expect(lines.all.map { $0.dropFirst(9) } == ["warn  producer  4  event=d", "error producer  5  event=e n=1"])
    #expect(log.writes(.error) && !log.writes(.info))
  }

  @Test("a dropped line is not evaluated") func droppedLineIsNotEvaluated() {
    var evaluations = 0
    func costly() -> String {
      evaluations += 1
      return "x"
    }
    let log = log(.info)
    log.debug(event: "e", costly(), ["a": .of(costly())])
    #expect(evaluations == 0)
    log.info(event: "e", costly(), ["a": .of(costly())])
    #expect(evaluations == 2)
  }

  private struct Odd: Error {}

  @Test("an error is named by its code, or else by its type") func errorsHaveNames() {
    #expect(LogValue.name(of: SystemError("open", "a", code: ENOSPC)) == "ENOSPC")
    #expect(LogValue.name(of: Odd()) == "LogTests.Odd")
  }

  @Test("tests read event, message and fields of a text line") func textLinesCanBeRead() throws {
    log().warning(event: "image_lost", "lost:  it is gone", ["image": "a \"b\"=c.jpg", "n": 3, "none": ""])
    let entry = try #require(lines.entries.first)
    #expect(entry.level == "warn" && entry.component == "producer" && entry.event == "image_lost")
    #expect(entry.message == "lost:  it is gone")
    #expect(entry.fields == ["image": "a \"b\"=c.jpg", "n": "3", "none": ""] && entry.number("n") == 3)
    #expect(LogEntry("  images     5 carried") == nil)
  }

  @Test(
    "tests read fields whatever the values contain",
    arguments: [
      #"a b\"#, #"\" x="#, "a\\\"", "a  event=other b=1", "  event=other", "\u{301}", "a\u{301} b", "=", #"\\ \"#,
    ])
  func oddValuesCanBeRead(value: String) throws {
    log().info(event: "image_lost", "gone", ["image": .string(value), "n": 3])
    #expect(lines.entries == lines.entries.events("image_lost", ["image": value, "n": "3"]), "\(lines.all)")
    #expect(lines.entries.count == 1, "\(lines.all)")
  }

  @Test(
    "tests read the event, whatever the message contains",
    arguments: ["a  event=other", "a  event=other b=1", "a  event=other b=\"1\" c", "a \"b=", "a  event="])
  func oddMessagesCanBeRead(message: String) throws {
    log().info(event: "image_lost", message, ["n": 3])
    log().info(event: "image_lost", message)
    #expect(lines.entries.map(\.event) == ["image_lost", "image_lost"], "\(lines.all)")
    #expect(lines.entries.map(\.message) == [message, message] && lines.entries.first?.number("n") == 3)
  }

  @Test("a test that reads a JSON log as text fails") func jsonIsNotReadAsText() {
    log(.info, .json).info(event: "image_lost", "gone")
    withKnownIssue { #expect(!lines.entries.hasEvent("image_lost")) }
  }

  @Test("another component shares the sink") func componentsShareTheSink() {
    let log = log(.info, .json)
    log.with(component: "kafka").info(event: "started", "up")
    #expect(lines.all.count == 1)
    #expect(lines.all.first?.contains(#""component":"kafka","event":"started","message":"up"}"#) == true)
  }

  @Test("a log with its own sink has no live line") func customSinkHasNoLiveLine() {
    let log = log()
    #expect(!log.hasLiveLine)
    log.setLiveLine("50 %")
    #expect(lines.all.isEmpty)
  }

  @Test("lines of many threads stay whole") func threadsKeepLinesWhole() async {
    let log = log()
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<4 {
        group.addTask { for index in 0..<250 { log.info(event: "e", "line", ["id": .of(task * 250 + index)]) } }
      }
    }
    #expect(Set(lines.all.map { $0.dropFirst(9) }).count == 1000)
    #expect(lines.all.allSatisfy { $0.contains(" info  producer  line  event=e id=") && !$0.contains("\n") })
  }

  @Test("values of all kinds make fields") func valuesOfAllKindsMakeFields() {
    #expect(LogValue.of(5) == .integer(5))
    #expect(LogValue.of(UInt64.max) == .integer(.max))
    #expect(LogValue.of(Int32(-1)) == .integer(-1))
    #expect(LogValue.of(true) == .boolean(true))
    #expect(LogValue.of(0.5) == .number(0.5))
    #expect(LogValue.of("a") == .string("a"))
    #expect("a\(1)" as LogValue == .string("a1"))
  }
}

@Suite struct LogLevelTests {
  @Test(
    "a level is found by its name in any case",
    arguments: [
      ("trace", LogLevel.trace), ("INFO", .info), ("Warn", .warning), ("warning", .warning), ("error", .error),
    ])
  func levelNamesIgnoreCase(name: String, level: LogLevel) {
    #expect(LogLevel(name: name) == level)
  }

  @Test("an unknown name is neither a level nor a format") func unknownNamesAreRefused() {
    #expect(LogLevel(name: "loud") == nil && LogLevel(name: "") == nil)
    #expect(LogFormat(name: "xml") == nil && LogFormat(name: "JSON") == .json && LogFormat(name: "text") == .text)
    #expect(LogLevel.trace < .debug && LogLevel.warning < .error)
  }
}
