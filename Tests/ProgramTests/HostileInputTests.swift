import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Messaging
@testable import Platform

/// Messages and files that somebody sends or plants to break the consumer.
@Suite(.ownThread) struct HostileInputTests {
  private let folder = TestFolder()
  private static let reserved = TestFolder.output + "/.image-pipeline"

  private func kinds(_ broker: Broker) throws -> [String] {
    try broker.deadLetters().map { $0.header("__connect.errors.exception.class.name") ?? "" }
  }

  // MARK: Names

  @Test("odd and similar names are stored as separate files") func oddNamesAreSeparateFiles() throws {
    let broker = try Broker.preferred()
    let names = [
      "a.jpg", "A.jpg", "A.JPG", "\u{E9}.jpg", "e\u{301}.jpg", "CON", "aux.jpg", "a:b.jpg", "dot.", "dot", "space ",
      "space",
      "-rf", "back\\slash\\..\\x", "%2e%2e%2fx", "\u{202E}gpj.exe", "\u{FF0F}etc", "=1+1", "~", "*", "a\u{0301}/b",
      "\u{E1}/b", String(repeating: "n", count: 255),
    ]
    try broker.send(names.map { .image($0, Array($0.utf8)) })
    #expect(try Program.storeAll(in: folder, broker).stored == names.count)
    let found = try folder.files(TestFolder.output).map { Array($0.utf8) }
    #expect(Set(found) == Set(names.map { Array($0.utf8) }))
    for name in names { #expect(folder.bytes(TestFolder.output + "/" + name) == Array(name.utf8), "\(name)") }
    #expect(folder.text(TestFolder.csv).contains("/=1+1,'=1+1,"))
    #expect(try broker.deadLetters() == [])
  }

  @Test("a name is a file or a folder, whichever arrived first") func firstUseDecidesFileOrFolder() throws {
    let broker = try Broker.preferred()
    try broker.send([
      .image("a", [1]), .image("a/b", [2]), .image("c/d", [3]), .image("c", [4]), .image("a", [5]),
      .image("a/b/c", [6]),
    ])
    _ = try Program.storeAll(in: folder, broker)
    #expect(try folder.files(TestFolder.output) == ["a", "c/d"])
    #expect(folder.bytes(TestFolder.output + "/a") == [5])
    #expect(try kinds(broker) == ["NameRefusal", "NameRefusal", "NameRefusal"])
    #expect(folder.rowNames == ["a", "c/d", "a"])
  }

  @Test("links and special files at an image's name are replaced, not followed") func linksAreReplacedNotFollowed()
    throws
  {
    let broker = try Broker.preferred()
    let names = ["link.jpg", "dangling.jpg", "csv.jpg", "catalog.jpg", "hard.jpg", "fifo.jpg", "socket.jpg"]
    try broker.send([.image("first.jpg", [1])])
    _ = try Program.storeAll(in: folder, broker)
    let precious = SeededNumbers.bytes(100, seed: 1)
    try folder.write("precious", precious)
    try folder.makeLink(TestFolder.output + "/link.jpg", to: "../precious")
    try folder.makeLink(TestFolder.output + "/dangling.jpg", to: "../made-by-it")
    try folder.makeLink(TestFolder.output + "/csv.jpg", to: "../" + TestFolder.csv)
    try folder.makeLink(TestFolder.output + "/catalog.jpg", to: ".image-pipeline/catalog.sqlite")
    try folder.makeHardLink(TestFolder.output + "/hard.jpg", to: "precious")
    try #require(mkfifo(folder.path + "/" + TestFolder.output + "/fifo.jpg", 0o600) == 0)
    try makeSocket(TestFolder.output + "/socket.jpg")
    try broker.send(names.map { .image($0, Array($0.utf8)) })
    #expect(try Program.storeAll(in: folder, broker).stored == names.count)
    #expect(folder.bytes("precious") == precious)
    #expect(try FileStatus.of(folder.path + "/made-by-it") == nil)
    let images = Dictionary(uniqueKeysWithValues: names.map { ($0, Array($0.utf8)) })
    try expectStored(images.merging(["first.jpg": [1]]) { $1 }, in: folder)
  }

  private func makeSocket(_ name: String) throws {
    try #require(mknod(folder.path + "/" + name, S_IFSOCK | 0o600, 0) == 0)
  }

  @Test(
    "anything but a folder where a folder is needed stays, and its images become dead letters",
    arguments: ["link", "dangling link", "fifo", "socket", "file"])
  func obstaclesToFoldersStay(kind: String) throws {
    let broker = try Broker.preferred()
    try folder.makeFolder("elsewhere")
    try folder.makeFolder(TestFolder.output)
    let place = TestFolder.output + "/cat"
    switch kind {
    case "link": try folder.makeLink(place, to: "../elsewhere")
    case "dangling link": try folder.makeLink(place, to: "../nothing")
    case "fifo": try #require(mkfifo(folder.path + "/" + place, 0o600) == 0)
    case "socket": try makeSocket(place)
    default: try folder.write(place, [1])
    }
    let before = try FileStatus.of(folder.path + "/" + place, followingLinks: false)
    let large = TestMessage.segments("cat/large.png", SeededNumbers.bytes(3_000, seed: 1), size: 1_000)
    try broker.send([.image("cat/1.jpg", [1])] + large + [.image("good.jpg", [2]), .image("cat/deep/2.jpg", [3])])
    _ = try Program.storeAll(in: folder, broker)
    #expect(folder.rowNames == ["good.jpg"])
    #expect(try kinds(broker) == Array(repeating: "NameRefusal", count: 5))
    #expect(try FileStatus.of(folder.path + "/" + place, followingLinks: false) == before)
    #expect(try folder.files("elsewhere") == [])
    #expect(try FileStatus.of(folder.path + "/nothing") == nil)
    #expect(try folder.leftovers() == [])
  }

  @Test("a link planted in the consumer's own folder is reported, not followed") func plantedLinkIsReported() throws {
    let broker = try Broker.preferred()
    let image = SeededNumbers.bytes(3_000, seed: 4)
    let segments = TestMessage.segments("large.png", image, size: 1_000)
    try broker.send([segments[0]])
    _ = try Program.storeAll(in: folder, broker)
    let waiting = try #require(try Folder.open(folder.path + "/" + Self.reserved + "/segments").names().first)
    let planted = Self.reserved + "/segments/" + waiting
    try folder.move(planted, to: "kept")
    try folder.write("precious", [7])
    try folder.makeLink(planted, to: folder.path + "/precious")
    try broker.send(Array(segments[1...]))
    let consumer = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: broker.environment())
    #expect(
      eventually { consumer.hasEvent("batch_failed", ["error": "ELOOP"]) }, "\(consumer.output)")
    #expect(folder.bytes("precious") == [7])
    // The consumer continues when the link is gone.
    try folder.move("kept", to: planted)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    try expectStored(["large.png": image], in: folder)
  }

  @Test("an own folder of the consumer that is a link is refused", arguments: ["", "/segments", "/dead-letters"])
  func linkedOwnFolderIsRefused(name: String) throws {
    let broker = try Broker.preferred()
    try folder.makeFolder("elsewhere")
    try folder.makeFolder(name.isEmpty ? TestFolder.output : Self.reserved)
    try folder.makeLink(Self.reserved + name, to: folder.path + "/elsewhere")
    try broker.send([.text("poison"), .image("a.jpg", [1])])
    let consumer = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: broker.environment())
    #expect(consumer.exitCode() == 1, "\(consumer.output)")
    #expect(
      consumer.hasEvent("program_failed", ["error": "ENOTDIR"], naming: ".image-pipeline\(name): "),
      "\(consumer.output)")
    #expect(try folder.files("elsewhere") == [])
    #expect(try folder.files(TestFolder.output) == [])
  }

  // MARK: Segments

  private func changed(_ message: TestMessage, _ headers: [String: String]) -> TestMessage {
    var message = message
    message.headers = message.headers.map { header in
      headers[header.name].map { MessageHeader(name: header.name, value: Array($0.utf8)) } ?? header
    }
    return message
  }

  @Test("impossible segments become dead letters, and their image is still stored")
  func impossibleSegmentsAreDeadLetters() throws {
    let broker = try Broker.preferred()
    let image = SeededNumbers.bytes(3_000, seed: 2)
    let segments = TestMessage.segments("large.png", image, size: 1_000)
    let bad = [
      (["segment-index": "7"], "EnvelopeError"), (["segment-index": "-1"], "EnvelopeError"),
      (["segment-count": "2147483648"], "EnvelopeError"), (["segment-count": "0"], "EnvelopeError"),
      (["segment-count": "9223372036854775808"], "EnvelopeError"),
      (["segment-position": "18446744073709551616"], "EnvelopeError"),
      (["segment-position": "3001"], "EnvelopeError"), (["segment-position": "2001"], "LengthMismatch"),
      (["segment-position": "9223372036854775807"], "EnvelopeError"), (["image-length": "999"], "EnvelopeError"),
      (["image-length": "9223372036854775807"], "SegmentMismatch"), (["image-length": "3001"], "SegmentMismatch"),
      (["image-sha256": String(repeating: "0", count: 64)], "SegmentMismatch"),
      (["image-length": "9223372036854775807", "segment-position": "9223372036854774000"], "TooLarge"),
    ]
    let empty = changed(TestMessage.segments("large.png", image, size: 1_000)[1], [:])
    var withoutBytes = empty
    withoutBytes.value = Array(#"{"image_name":"large.png","image_content":""}"#.utf8)
    var otherName = segments[1]
    otherName.value = Array(#"{"image_name":"other.png","image_content":"AAAA"}"#.utf8)
    try broker.send(
      [segments[0]] + bad.map { changed(segments[1], $0.0) } + [withoutBytes, otherName] + segments[1...])
    _ = try Program.storeAll(in: folder, broker)
    #expect(try kinds(broker) == bad.map(\.1) + ["LengthMismatch", "SegmentMismatch"])
    try expectStored(["large.png": image], in: folder)
  }

  /// One of two billion segments arrives. It takes the memory of one.
  @Test("a segment count of billions costs no memory") func hugeSegmentCountCostsNothing() throws {
    let broker = try Broker.preferred()
    let part = TestMessage.segments("large.png", SeededNumbers.bytes(3_000, seed: 2), size: 1_000)[1]
    try broker.send([
      changed(
        part, ["segment-count": "2147483648", "image-length": "1099511627776", "segment-position": "549755813888"]),
      .image("good.jpg", [1]),
    ])
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment(["SEGMENT_TIMEOUT": "1"]))
    #expect(eventually { consumer.hasEvent("image_incomplete") }, "\(consumer.output)")
    #expect(Sanitizer.isOn || (consumer.peakMemory ?? .max) < 96 << 20)
    #expect(consumer.terminate() == 0)
    #expect(try kinds(broker) == ["SegmentTimeout"])
    try expectStored(["good.jpg": [1]], in: folder)
  }

  @Test("overlapping segments are an image only if their bytes match its hash") func overlappingSegmentsMustMatch()
    throws
  {
    let broker = try Broker.preferred()
    let image = SeededNumbers.bytes(3_000, seed: 5)
    func parts(_ name: String, _ places: [Int]) -> [TestMessage] {
      let whole = TestMessage.segments(name, image, size: 1_000)
      return places.enumerated().map { index, place in
        let content = TestMessage.image(name, Array(image[place..<place + 1_500]))
        var part = changed(
          whole[0], ["segment-index": "\(index)", "segment-count": "\(places.count)", "segment-position": "\(place)"])
        part.value = content.value
        return part
      }
    }
    var wrong = parts("wrong.png", [0, 1_000, 1_500])
    wrong[1] = changed(wrong[1], ["segment-position": "900"])
    try broker.send(parts("right.png", [0, 1_000, 1_500]) + wrong + parts("holes.png", [0, 0, 100]))
    // In separate batches: within one batch either may be written last, and that one counts where they differ.
    _ = try Program.storeAll(in: folder, broker, ["BATCH_IMAGES": "1"])
    try expectStored(["right.png": image], in: folder)
    #expect(try kinds(broker) == Array(repeating: "DigestMismatch", count: 6))
  }

  @Test("mixed segments of two producers and two versions give whole images") func mixedSegmentsAreTakenApart() throws {
    let broker = try Broker.preferred()
    let (first, second) = (SeededNumbers.bytes(5_000, seed: 6), SeededNumbers.bytes(4_500, seed: 7))
    let (one, two) = (
      TestMessage.segments("large.png", first, size: 1_000), TestMessage.segments("large.png", second, size: 1_000)
    )
    // The first version from two producers, the second in between, and a whole image of that name.
    var mixed: [TestMessage] = []
    for index in 0..<5 { mixed += [one[index], two[index], one[index]] }
    mixed.insert(.image("large.png", [1, 2, 3]), at: 7)
    try broker.send(mixed)
    let output = try Program.storeAll(in: folder, broker).output
    #expect(output.log.stored == 3, "\(output)")
    // In order of completion: the small image, the first version, the second.
    #expect(folder.bytes(TestFolder.output + "/large.png") == second)
    #expect(folder.rowNames == ["large.png", "large.png", "large.png"])
    #expect(try kinds(broker) == [])
  }

  @Test("the last of two headers with the same name counts") func lastDuplicateHeaderCounts() throws {
    let broker = try Broker.preferred()
    var right = TestMessage.image("right.jpg", [1])
    right.headers.insert(MessageHeader(name: "image-length", value: Array("7".utf8)), at: 0)
    var wrong = TestMessage.image("wrong.jpg", [1])
    wrong.headers.append(MessageHeader(name: "image-length", value: Array("7".utf8)))
    try broker.send([right, wrong])
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["right.jpg": [1]], in: folder)
    #expect(try kinds(broker) == ["LengthMismatch"])
  }

  // MARK: Reasons

  /// The reason goes into the log and the dead letter's headers. A reason that repeats the whole input would make the
  /// letter too large for its topic.
  @Test("reasons of dead letters stay short for huge values") func reasonsAreShort() throws {
    let broker = try Broker.preferred()
    let much = String(repeating: "7", count: 800_000)
    let segment = TestMessage.segments("large.png", SeededNumbers.bytes(300, seed: 1), size: 100)[0]
    let image = TestMessage.image("a.jpg", [1])
    try broker.send([
      .text("{\"image_name\":\"\(much)\",\"image_content\":\"AAAA\"}"), changed(image, ["image-length": much]),
      changed(image, ["image-sha256": much]), changed(segment, ["segment-id": much]), .image("good.jpg", [2]),
    ])
    let said = try Program.storeAll(in: folder, broker).output
    #expect(said.log.summary?.number("dead_letters") == 4, "\(said.suffix(2_000))")
    #expect(said.utf8.count < 50_000, "\(said.utf8.count) bytes of log")
    let found = try kinds(broker)
    #expect(found == ["NameRefusal", "EnvelopeError", "EnvelopeError", "EnvelopeError"])
    #expect(try folder.files(TestFolder.output) == ["good.jpg"])
  }

  // MARK: Values

  @Test("deeply nested and truncated JSON becomes dead letters") func brokenJSONBecomesDeadLetters() throws {
    let broker = try Broker.preferred()
    let whole = #"{"image_name":"a.jpg","image_content":"AAAA"}"#
    let deep = #"{"x":"# + String(repeating: "[", count: 100_000)
    let cuts = (0..<whole.utf8.count).map { TestMessage.text(String(whole.prefix($0))) }
    try broker.send(cuts + [.text(deep), .text(deep + String(repeating: "]", count: 100_000) + "}"), .text(whole)])
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["a.jpg": [0, 0, 0]], in: folder)
    #expect(try kinds(broker) == Array(repeating: "EnvelopeError", count: cuts.count + 2))
  }

  @Test("empty content is an empty image") func emptyContentIsEmptyImage() throws {
    let broker = try Broker.preferred()
    try broker.send([.text(#"{"image_name":"empty.jpg","image_content":""}"#)])
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["empty.jpg": []], in: folder)
  }
}
