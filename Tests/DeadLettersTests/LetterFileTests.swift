import TestSupport
import Testing

@testable import DeadLetters
@testable import Kafka
@testable import Messaging
@testable import Platform
@testable import Wire

/// Dead letters on disk come back byte for byte.
@Suite struct LetterFileTests {
  private let scratch: TestFolder
  init() throws { scratch = TestFolder() }

  private final class Bytes {
    let all: UnsafeMutableRawBufferPointer
    init(_ bytes: [UInt8]) {
      all = .allocate(byteCount: bytes.count, alignment: 1)
      all.copyBytes(from: bytes)
    }
    deinit { all.deallocate() }
  }

  private final class Pair {
    let (key, value): (Bytes?, Bytes?)
    init(_ key: [UInt8]?, _ value: [UInt8]?) { (self.key, self.value) = (key.map(Bytes.init), value.map(Bytes.init)) }
  }

  private func letter(_ key: [UInt8]?, _ value: [UInt8]?, _ headers: [MessageHeader], because: String = "why")
    -> LetterFile
  {
    let pair = Pair(key, value)
    let record = LetterRecord(
      key: pair.key.map { UnsafeRawBufferPointer($0.all) }, value: pair.value.map { UnsafeRawBufferPointer($0.all) },
      headers: headers, owner: pair)
    return LetterFile(written: "2026-11-23T23:31:16.123Z", because: because, record: record)
  }

  private func written(_ letter: LetterFile) throws -> File {
    let file = try File.open(scratch / "one.letter", .createEmpty)
    try letter.write(to: file)
    return file
  }

  private static let all = Array(UInt8.min...UInt8.max)
  private static let values: [[UInt8]?] = [
    nil, [], Array("cat/001.jpg".utf8), Array("null".utf8), Array(" a: b%41 \n\r\t".utf8), all, [0x0A], [0xFF], [0x25],
  ]

  @Test("a written dead letter comes back") func writtenLetterComesBack() throws {
    for key in Self.values {
      for value in Self.values {
        let headers = [
          MessageHeader(name: "image-length", value: Array("3".utf8)), MessageHeader(name: "null", nullableValue: nil),
          MessageHeader(name: "empty", value: []), MessageHeader(name: "", value: Self.all),
          MessageHeader(name: "a: b%\n\u{E9}\u{301}", nullableValue: key),
          MessageHeader(name: "image-length", value: [0]),
          MessageHeader(nameBytes: Self.all, nullableValue: key),
        ]
        let read = try LetterFile.read(try written(letter(key, value, headers, because: "line\nend, 100 %: é")))
        #expect(read.record.key.map { Array($0) } == key)
        #expect(read.record.value.map { Array($0) } == value)
        #expect(read.record.headers == headers)
        #expect(read.because == "line\nend, 100 %: é")
        #expect(read.written == "2026-11-23T23:31:16.123Z")
      }
    }
  }

  @Test("a dead letter's file is readable text") func letterIsReadableText() throws {
    let headers = [
      MessageHeader(name: "a:b", value: Array("50 %".utf8)), MessageHeader(name: "none", nullableValue: nil),
      MessageHeader(name: "empty", value: []),
    ]
    _ = try written(letter(Array("café/1.jpg".utf8), Array("{}".utf8), headers))
    #expect(
      try scratch.read("one.letter") == """
        image-pipeline dead letter 1
        written: 2026-11-23T23:31:16.123Z
        because: why
        key: caf%C3%A9/1.jpg
        header: a%3Ab: 50 %25
        header: none
        header: empty:\(" ")
        value: 2 bytes

        {}
        """)
  }

  @Test("a truncated or altered dead letter is none") func damagedLetterIsNone() throws {
    let file = try written(letter([1, 2], Array("value".utf8), [MessageHeader(name: "a", value: [0])]))
    let whole = try contents(of: scratch / "one.letter")
    for count in 0..<whole.count {
      try scratch.write("cut.letter", Array(whole.prefix(count)))
      #expect(throws: LetterFile.Malformed.self, "cut to \(count) bytes") {
        try LetterFile.read(try File.open(scratch / "cut.letter", .read))
      }
    }
    for (old, new) in [
      ("letter 1", "letter 2"), ("%01", "%0g"), ("%02", "%2"), ("because: ", "because:"), ("value: 5", "value: 6"),
      ("value: 5 bytes", "value: null"), ("key", "kez"), ("header: a: ", "header: a:"), ("bytes\n\n", "bytes\n"),
    ] {
      let text = String(decoding: whole, as: UTF8.self)
      try #require(text.contains(old))
      try scratch.write("altered.letter", text.replacing(old, with: new))
      #expect(throws: LetterFile.Malformed.self, "\(new)") {
        try LetterFile.read(try File.open(scratch / "altered.letter", .read))
      }
    }
    withExtendedLifetime(file) {}
  }

  @Test("random bytes are no dead letter and do not crash the reader") func randomBytesAreNoLetter() throws {
    var numbers = SeededNumbers(seed: 8)
    let head = Array("image-pipeline dead letter 1\n".utf8)
    for _ in 0..<500 {
      let lines = ["key: ", "header: ", "value: ", "%", "\n", ": "].shuffled(using: &numbers).joined()
      try scratch.write("random.letter", head + Array(lines.utf8) + numbers.bytes(20))
      #expect(throws: LetterFile.Malformed.self) {
        try LetterFile.read(try File.open(scratch / "random.letter", .read))
      }
    }
  }

  // MARK: Which letters are one

  private func error(_ name: String, _ value: String) -> MessageHeader {
    MessageHeader(name: "__connect.errors." + name, value: Array(value.utf8))
  }

  private func origin(_ headers: [MessageHeader]) -> MessageOrigin? { letter(nil, nil, headers).record.origin }

  @Test("a dead letter's origin is in its last headers") func originIsInLastHeaders() {
    let headers = [error("topic", "t"), error("partition", "2"), error("offset", "41")]
    #expect(origin(headers) == MessageOrigin(topic: "t", partition: 2, offset: 41, timestamp: nil))
    #expect(
      origin(headers + [error("timestamp", "7"), error("offset", "42")])
        == MessageOrigin(topic: "t", partition: 2, offset: 42, timestamp: 7))
  }

  @Test(
    "useless headers are no origin",
    arguments: [
      ("topic", ""), ("partition", "-1"), ("partition", "x"), ("partition", "2147483648"), ("offset", "-5"),
      ("offset", "9223372036854775808"), ("offset", ""), ("offset", "1.0"),
    ])
  func uselessHeadersAreNoOrigin(name: String, value: String) {
    let headers = [error("topic", "t"), error("partition", "2"), error("offset", "41")]
    #expect(origin(headers + [error(name, value)]) == nil)
    #expect(origin(headers.filter { $0.name != "__connect.errors." + name }) == nil)
    #expect(origin(headers + [MessageHeader(name: "__connect.errors." + name, nullableValue: nil)]) != nil)
  }

  @Test("a dead letter's identity does not depend on resending or reason") func letterIdentityIsStable() throws {
    let place = MessageOrigin(topic: "t", partition: 0, offset: 1, timestamp: 5)
    let own = [MessageHeader(name: "own", value: [1])]
    let first = letter([1], [2], own + [error("exception.message", "one")]).record.identity(place)
    #expect(letter([1], [2], own + [error("exception.message", "two")]).record.identity(place) == first)
    let others = [
      letter([1], [2], own).record.identity(.init(topic: "u", partition: 0, offset: 1, timestamp: 5)),
      letter([1], [2], own).record.identity(.init(topic: "t", partition: 1, offset: 1, timestamp: 5)),
      letter([1], [2], own).record.identity(.init(topic: "t", partition: 0, offset: 2, timestamp: 5)),
      letter([1], [2], own).record.identity(.init(topic: "t", partition: 0, offset: 1, timestamp: 6)),
      letter([1], [2], own).record.identity(.init(topic: "t", partition: 0, offset: 1, timestamp: nil)),
      letter([1], [3], own).record.identity(place), letter([2], [2], own).record.identity(place),
      letter([1, 2], [], own).record.identity(place), letter([1, 2], nil, own).record.identity(place),
      letter(nil, [2], own).record.identity(place), letter([], [2], own).record.identity(place),
      letter([1], [2], []).record.identity(place),
      letter([1], [2], [MessageHeader(name: "own", nullableValue: nil)]).record.identity(place),
      letter([1], [2], [MessageHeader(name: "own", value: [])]).record.identity(place),
    ]
    #expect(Set(others + [first]).count == others.count + 1)
  }

  @Test("the original message has only its own headers") func originalKeepsOwnHeaders() {
    let own = [MessageHeader(name: "own", value: [1]), MessageHeader(name: "__connect.error", nullableValue: nil)]
    let record = letter([1], nil, own + [error("topic", "t"), error("stage", "")]).record
    #expect(record.original.headers == own)
    #expect(record.original.key.map { Array($0) } == [1])
    #expect(record.original.value == nil)
  }
}
