import TestSupport
import Testing

@testable import DeadLetters
@testable import Page
@testable import Platform
@testable import SQLite

/// What the page shows of dead letters, with no broker: the topic's are tested with one, by the program's tests.
@Suite struct FailureListTests {
  @Test("dead letters on disk are listed with reason and fix while the broker is away") func listing() throws {
    let failures = try PageFailures(asksKafka: true)
    try failures.write(
      "cat/1.jpg".replacing("/", with: "-"), topic: "images", offset: 7, kind: "NameRefusal", reason: "the name")
    let list = try #require(try failures.list(with: "\"broker_problem\":\"no answer from Kafka at 127.0.0.1:1"))
    for part in [
      "\"offset\":7", "\"kind\":\"NameRefusal\"", "\"reason\":\"the name\"", "\"file\":\"cat-1.jpg.letter\"",
      "\"fix\":\"Rename the image", "\"replayed\":false", "\"writable\":true", "\"replay\":null",
    ] { #expect(list.contains(part), "\(part): \(list)") }
    #expect(list.contains("Connection refused"), "\(list)")
    let count = try #require(try failures.get("/count").json)
    #expect(count.has(["ready": "true", "known": "false", "letters": "1", "more": "false"]), "\(count)")
  }

  @Test("the number of dead letters on disk is known without asking Kafka") func counting() throws {
    let failures = try PageFailures(asksKafka: true)
    try failures.write("a", topic: "images")
    try failures.write("b", topic: "images", offset: 1)
    #expect(eventually { try failures.get("/count").json?.has(["ready": "true", "letters": "2"]) == true })
    #expect(!failures.client.log.entries.hasEvent("librdkafka_log"))
    #expect(failures.desk.peek().answered == nil && !failures.desk.peek().isLooking)
  }

  @Test("no request waits for a look") func bounded() throws {
    // Nobody looks at all.
    let failures = try PageFailures(runs: false)
    let start = MonotonicClock.now
    for _ in 0..<100 {
      #expect(try failures.get().status == 200)
      #expect(try failures.get("/count").status == 200)
    }
    #expect(MonotonicClock.now - start < .seconds(5))
  }

  @Test("many viewers cause one look") func manyViewers() throws {
    let failures = try PageFailures(lookInterval: .seconds(60))
    try failures.write("a")
    _ = try #require(try failures.list(with: "\"looking\":false"))
    let version = failures.desk.look().version
    try failures.write("b", offset: 1)
    for _ in 0..<100 { #expect(!failures.desk.look().isLooking) }
    #expect(failures.desk.look().version == version)
  }

  @Test("a viewer that has the list is not sent it again") func versions() throws {
    let failures = try PageFailures()
    try failures.write("a")
    let list = try #require(try failures.list(with: "\"looking\":false"))
    let version = try #require(
      list.firstRange(of: "\"version\":").flatMap { Int(list[$0.upperBound...].prefix { $0 != "," }) })
    let same = try failures.get("", "?since=\(version)").text
    #expect(same.contains("\"version\":\(version)") && !same.contains("letters"), "\(same)")
    #expect(try failures.get("", "?since=\(version - 1)").text.contains("\"letters\":["))
  }

  @Test("the newest dead letters are listed, and no more than a bound") func bounds() throws {
    let failures = try PageFailures()
    for number in 0..<NewestLetters.most + 30 {
      try failures.write("\(number)", offset: number)
      try failures.folder.setTime(
        of: "out/.image-pipeline/dead-letters/\(number).letter", nanoseconds: Int64(number) * 1_000_000_000)
    }
    let list = try #require(try failures.list(with: "\"offset\":\(NewestLetters.most + 29),"))
    #expect(list.contains("\"more\":true"))
    #expect(list.split(separator: "\"file\":").count == NewestLetters.most + 1)
    #expect(!list.contains("\"offset\":29,") && list.contains("\"offset\":30,"))
  }

  @Test("a message that was delivered twice is listed once") func duplicates() throws {
    let failures = try PageFailures()
    for name in ["one", "two"] { try failures.write(name, offset: 5, headers: ["x: y"]) }
    // The key differs, so these are not the same.
    let list = try #require(try failures.list(with: "two.letter"))
    #expect(list.contains("one.letter"))
    try failures.folder.write(
      "out/.image-pipeline/dead-letters/three.letter",
      try failures.folder.read("out/.image-pipeline/dead-letters/one.letter"))
    #expect(
      eventually {
        failures.desk.look().content.contains("one.letter") != failures.desk.look().content.contains("three.letter")
      })
  }

  // MARK: Raw messages

  @Test("the beginning of a message is shown byte for byte") func excerpts() throws {
    let failures = try PageFailures()
    let value = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
    try failures.write("a", headers: ["null", "empty: ", "n%3A%00: %FF"], value: value)
    _ = try #require(try failures.list(with: "a.letter"))
    let text = try failures.get("/letter", "?file=a.letter").text
    let hex = value.prefix(4_096).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    #expect(text.contains("\"value\":{\"hex\":\"\(hex)\",\"bytes\":10000}"))
    #expect(text.contains("{\"name\":{\"hex\":\"6e756c6c\",\"bytes\":4},\"value\":null}"), "\(text)")
    #expect(text.contains("{\"name\":{\"hex\":\"656d707479\",\"bytes\":5},\"value\":{\"hex\":\"\",\"bytes\":0}}"))
    #expect(text.contains("{\"name\":{\"hex\":\"6e3a00\",\"bytes\":3},\"value\":{\"hex\":\"ff\",\"bytes\":1}}"))
    #expect(text.contains("\"key\":{\"hex\":\"61\",\"bytes\":1}"))
  }

  @Test("long and many headers are cut") func longHeaders() throws {
    let failures = try PageFailures()
    try failures.write(
      "a", reason: String(repeating: "r", count: 100_000),
      headers: ["n: " + String(repeating: "x", count: 500_000)] + (0..<1_000).map { "h\($0): v" })
    _ = try #require(try failures.list(with: "a.letter"))
    let answer = try failures.get("/letter", "?file=a.letter")
    #expect(answer.body.count < 40_000 && answer.text.contains("\"more_headers\":true"))
    #expect(answer.text.contains("\"bytes\":500000"))
    #expect(try failures.get().body.count < 10_000)
  }

  @Test("names, headers and reasons of strangers are data", arguments: HostileBytesTests.names)
  func hostileTexts(text: String) throws {
    let failures = try PageFailures()
    let encoded = LetterFile.encoded(text.utf8)
    try failures.write(
      "a", kind: encoded, reason: encoded, headers: ["\(LetterFile.encoded(text.utf8, andColon: true)): x"])
    let list = try #require(try failures.list(with: "a.letter"))
    let answer = try failures.get()
    #expect(answer.headers["content-type"] == "application/json")
    #expect(!answer.body.contains { $0 < 0x20 || $0 == 0x7F }, "\(list)")
    let message = try failures.get("/letter", "?file=a.letter")
    #expect(message.status == 200 && message.headers["content-security-policy"]?.contains("default-src 'none'") == true)
  }

  @Test("what is no dead letter is listed and cannot be sent back") func foreignFiles() throws {
    let failures = try PageFailures()
    try failures.folder.write("out/.image-pipeline/dead-letters/torn.letter", "image-pipeline dead")
    try failures.write("other", topic: "others")
    let list = try #require(try failures.list(with: "torn.letter"))
    #expect(list.contains("\"stays\":\"not a dead letter of this pipeline"), "\(list)")
    #expect(list.contains("\"stays\":\"it is from topic others, and TOPIC is \(PageFailures.topic)\""), "\(list)")
    #expect(try failures.get("/letter", "?file=torn.letter").status == 404)
  }

  @Test(
    "only dead letters that are listed are shown",
    arguments: [
      "", "?file=", "?file=../../catalog.sqlite", "?file=%2e%2e%2fx.letter", "?file=/etc/passwd",
      "?partition=0&offset=-1",
      "?partition=0", "?partition=x&offset=1", "?partition=9999999999&offset=1", "?file=b.letter",
      "?partition=0&offset=0",
    ])
  func otherPlaces(query: String) throws {
    let failures = try PageFailures()
    try failures.write("a")
    _ = try #require(try failures.list(with: "a.letter"))
    #expect(try failures.get("/letter", query).status == 404)
  }

  @Test("only the page's script may look at failures") func scripts() throws {
    let failures = try PageFailures(runs: false)
    for path in ["", "/count", "/letter?file=a.letter"] {
      #expect(try failures.client.get("/api/failures" + path).status == 403)
    }
    #expect(failures.desk.peek().isLooking == false)
    #expect(try failures.get("/x").status == 404 && failures.get("/replay/x").status == 404)
  }

  // MARK: Images

  @Test("images that are not stored come from the ledger, each with its fix") func images() throws {
    let failures = try PageFailures()
    let missing = try #require(try failures.list(with: "\"ready\":true"))
    #expect(missing.contains("there is no ledger") && missing.contains("STATE_DIR"), "\(missing)")
    try failures.folder.write("in/cat/1.jpg", "x")
    try PageLedger(failures.folder).add([
      ("cat/1.jpg", 3, "NameRefusal"), ("gone.jpg", 5, ""), ("cat/2.jpg", 2, ""), ("dealt-with.jpg", 3, "TooLarge"),
    ])
    let list = try #require(try failures.list(with: "cat/1.jpg"))
    let images = try #require(list.firstRange(of: "\"unstored\":")).upperBound
    #expect(
      list[images...].contains(
        "{\"path\":\"cat/1.jpg\",\"state\":\"A consumer cannot store it\",\"kind\":\"NameRefusal\",\"fix\":\"Rename"))
    #expect(list[images...].contains("\"path\":\"gone.jpg\"") && list[images...].contains("Put the file back"))
    #expect(!list.contains("cat/2.jpg") && !list.contains("dealt-with"), "\(list)")
    #expect(try failures.get("/count").json?["unstored"] == "2")
  }
}
