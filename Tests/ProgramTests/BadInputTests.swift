import TestSupport
import Testing

@testable import Kafka
@testable import Messaging
@testable import Platform

@Suite(.ownThread) struct BadInputTests {
  private let folder = TestFolder()

  private static func value(_ name: String, _ content: String = "AAAA") -> String {
    "{\"image_name\": \"\(name)\", \"image_content\": \"\(content)\"}"
  }

  private static func base64(_ bytes: ArraySlice<UInt8>) -> String {
    var text = [UInt8](repeating: 0, count: Base64.encodedCount(bytes.count))
    text.withUnsafeMutableBytes { target in bytes.withUnsafeBytes { _ = Base64.encode($0, to: target.baseAddress!) } }
    return String(decoding: text, as: UTF8.self)
  }

  private static func header(_ name: String, _ value: String) -> MessageHeader {
    MessageHeader(name: name, value: Array(value.utf8))
  }

  /// Each bad message, with the reason that its dead letter gives.
  private static let bad: [(TestMessage, kind: String, word: String)] = [
    (.text("not JSON at all"), "EnvelopeError", "JSON"),
    (.text("{\"image_name\": \"a.jpg\", \"image_content\": \"AAAA\""), "EnvelopeError", "does not end"),
    (.text(""), "EnvelopeError", "JSON"),
    (.text("{\"image_content\": \"AAAA\"}"), "EnvelopeError", "image_name"),
    (.text("{\"image_name\": \"a.jpg\"}"), "EnvelopeError", "image_content"),
    (.text("{\"image_name\": 7, \"image_content\": \"AAAA\"}"), "EnvelopeError", "image_name"),
    (.text(value("a.jpg", "AAA")), "EnvelopeError", "Base64"),
    (.text(value("a.jpg", "AAB=")), "EnvelopeError", "Base64"),
    (.text(value("a.jpg", "A AA")), "EnvelopeError", "3 characters"),
    (.text(value("a.jpg", "AAA*")), "EnvelopeError", "offset 3 holds '*'"),
    (.text(value("a.jpg", "AA-_")), "EnvelopeError", "URL-safe"),
    (.text(value("a.jpg", "data:image/png;base64,AAAA")), "EnvelopeError", "data URI"),
    (.text(value("a.jpg", "b'AAAA'")), "EnvelopeError", "Python"),
    (.text("\u{FEFF}" + value("a.jpg")), "EnvelopeError", "byte-order mark"),
    (TestMessage(key: nil, value: [0, 0, 0, 0, 7] + Array(value("a.jpg").utf8)), "EnvelopeError", "schema id 7"),
    (
      .text(value("a.jpg"), headers: [header("image-sha256", String(repeating: "0", count: 64))]), "DigestMismatch",
      "SHA-256"
    ),
    (.text(value("a.jpg"), headers: [header("image-sha256", "zero")]), "EnvelopeError", "hexadecimal"),
    (.text(value("a.jpg"), headers: [header("image-length", "4")]), "LengthMismatch", "3 bytes"),
    (.text(value("a.jpg"), headers: [header("segment-id", "x")]), "EnvelopeError", "segment"),
    (.text(value("../x.jpg")), "NameRefusal", ".."),
    (.text(value("a/../../x.jpg")), "NameRefusal", ".."),
    (.text(value("/tmp/x.jpg")), "NameRefusal", "absolute"),
    (.text(value("a\\u0000.jpg")), "NameRefusal", "NUL"),
    (.text(value("")), "NameRefusal", "empty"),
    (.text(value(".image-pipeline/x.jpg")), "NameRefusal", ".image-pipeline"),
    (.text(value("rows/data.csv")), "NameRefusal", "CSV"),
    (.text(value("good/0.jpg/x.jpg")), "NameRefusal", "folder"),
    (.text(value("good")), "NameRefusal", "folder"),
    (.text(value(String(repeating: "n", count: 256))), "NameRefusal", "255"),
    (TestMessage(key: Array("key".utf8), value: nil), "EnvelopeError", "no value"),
    (TestMessage(key: nil, value: Array("no key".utf8)), "EnvelopeError", "JSON"),
  ]

  @Test("messages that cannot be stored become unchanged dead letters; the others are stored")
  func badMessagesBecomeDeadLetters() throws {
    let broker = try Broker.preferred()
    let environment = ["CSV_PATH": TestFolder.output + "/rows/data.csv"]
    var images: [String: [UInt8]] = [:]
    var messages: [TestMessage] = []
    for (number, bad) in Self.bad.enumerated() {
      let (name, bytes) = ("good/\(number).jpg", SeededNumbers.bytes(300, seed: UInt64(number)))
      images[name] = bytes
      var message = bad.0
      message.headers += [
        MessageHeader(name: "own", value: [0, 255, 10]),
        MessageHeader(nameBytes: [0xE9, 0x3A, 0x0A], nullableValue: nil),
      ]
      messages += [.image(name, bytes), message]
    }
    try broker.send(messages)
    _ = try Program.storeAll(in: folder, broker, environment)

    #expect(try folder.files(TestFolder.output) == (images.keys + ["rows/data.csv"]).sorted())
    expectBytes(images, in: folder, TestFolder.output)
    #expect(folder.text(TestFolder.output + "/rows/data.csv").split(separator: "\n").count == images.count + 1)
    let letters = try broker.deadLetters()
    try #require(letters.count == Self.bad.count)
    for (number, (letter, bad)) in zip(letters, Self.bad).enumerated() {
      try check(letter, of: messages[2 * number + 1], at: 2 * number + 1, bad.kind, bad.word, broker)
    }
    // A restart does not read them again.
    #expect(try Program.storeAll(in: folder, broker, environment).stored == 0)
    #expect(try broker.messageCount(broker.topic + "-dlq") == letters.count)
    #expect(try folder.leftovers() == [])
  }

  private func check(
    _ letter: TestMessage, of message: TestMessage, at offset: Int, _ kind: String, _ word: String, _ broker: Broker
  ) throws {
    #expect(letter.key == message.key && letter.value == message.value, "letter \(offset)")
    let own = letter.headers.prefix(message.headers.count)
    #expect(Array(own) == message.headers, "letter \(offset)")
    #expect(letter.header("__connect.errors.topic") == broker.topic)
    #expect(letter.header("__connect.errors.partition") == "0")
    #expect(letter.header("__connect.errors.offset") == "\(offset)")
    #expect(letter.header("__connect.errors.exception.class.name") == kind, "letter \(offset)")
    // Kafka Connect's names, for its tools; the last one is our own.
    #expect(letter.header("__connect.errors.class.name") == "image-pipeline")
    #expect(letter.header("__connect.errors.connector.name") == "image-pipeline")
    #expect(letter.header("__connect.errors.task.id") == "0")
    let added = letter.headers.dropFirst(message.headers.count).map { $0.name.dropFirst("__connect.errors.".count) }
    #expect(
      added == [
        "topic", "partition", "offset", "connector.name", "task.id", "stage", "class.name", "exception.class.name",
        "exception.message", "timestamp",
      ])
    let time = Int64(letter.header("__connect.errors.timestamp") ?? "") ?? 0
    #expect(abs(time - WallClock.milliseconds) < 600_000, "letter \(offset): \(time)")
    let reason = letter.header("__connect.errors.exception.message") ?? ""
    #expect(reason.contains(word), "letter \(offset): \(reason)")
    let stage = kind == "NameRefusal" ? "TASK_PUT" : "VALUE_CONVERTER"
    #expect(letter.header("__connect.errors.stage") == stage, "letter \(offset)")
  }

  @Test("Base64 with line ends and spaces is stored byte for byte")
  func wrappedBase64IsStored() throws {
    let broker = try Broker.preferred()
    var images: [String: [UInt8]] = [:]
    var messages: [TestMessage] = []
    // JSON escapes a line end; some writers leave it unescaped.
    let ends = [("\\n", "\\n"), ("\\r\\n", ""), ("\n", "\n"), (" ", " \\t "), ("\\u000A", "")]
    for (number, (separator, end)) in ends.enumerated() {
      let (name, bytes) = ("wrapped/\(number).jpg", SeededNumbers.bytes(10_000 + number, seed: UInt64(number)))
      let lines = stride(from: 0, to: bytes.count, by: 57).map { Self.base64(bytes[$0..<min($0 + 57, bytes.count)]) }
      images[name] = bytes
      messages.append(.text(Self.value(name, lines.joined(separator: separator) + end)))
    }
    // The hash header still decides about every byte.
    let other = Self.header("image-sha256", String(repeating: "0", count: 64))
    messages.append(.text(Self.value("wrong.jpg", "AAAA\\n"), headers: [other]))
    try broker.send(messages)
    let output = try Program.storeAll(in: folder, broker).output
    #expect(try folder.files(TestFolder.output) == images.keys.sorted(), "\(output)")
    expectBytes(images, in: folder, TestFolder.output)
    #expect(try broker.deadLetters().map { $0.header("__connect.errors.exception.class.name") } == ["DigestMismatch"])
  }

  @Test("a symbolic link in the output does not lead an image out of it") func linksInOutputAreNotFollowed() throws {
    let broker = try Broker.preferred()
    try folder.write("elsewhere/keep.jpg", [1])
    try folder.write(TestFolder.output + "/first.jpg", [2])
    let link = try Program(["-s", "../elsewhere", TestFolder.output + "/link"], in: folder, executable: "/bin/ln")
    #expect(link.exitCode() == 0, "\(link.output)")
    try broker.send([.image("link/keep.jpg", [3]), .image("link/new.jpg", [4]), .image("good.jpg", [5])])
    let output = try Program.storeAll(in: folder, broker).output
    #expect(folder.bytes("elsewhere/keep.jpg") == [1])
    #expect(try folder.files("elsewhere") == ["keep.jpg"])
    #expect(folder.rowNames == ["good.jpg"])
    // Each once, in the topic or on disk: a slow broker's letters go to disk, and one may be sent twice.
    let listed = try Program(["dead-letters", "--json"], in: folder, environment: broker.environment())
    #expect(listed.exitCode() == 0)
    #expect(listed.results.last?.number("total") == 2, "\(listed.output)\n\(output)")
  }
}
