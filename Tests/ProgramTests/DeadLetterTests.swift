import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Messaging
@testable import Platform

/// The command `image-pipeline dead-letters`.
@Suite(.ownThread) struct DeadLetterTests {
  let folder = TestFolder()
  static let disk = TestFolder.output + "/.image-pipeline/dead-letters"

  func run(
    _ broker: Broker, _ arguments: String..., environment: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String] {
    try run(broker, arguments, environment: environment, sourceLocation: sourceLocation)
  }

  private func run(
    _ broker: Broker, _ arguments: [String], environment: [String: String], sourceLocation: SourceLocation
  ) throws -> [String] {
    let environment = broker.environment(["LOG_LEVEL": "error"].merging(environment) { $1 })
    let program = try Program(["dead-letters"] + arguments, in: folder, environment: environment)
    #expect(program.exitCode() == 0, "\(program.output)", sourceLocation: sourceLocation)
    return program.output.split(separator: "\n").map { String($0) }
  }

  /// The numbers of the summary, by their names in JSON.
  func counts(
    _ broker: Broker, _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String: Int] {
    let lines = try run(broker, arguments + ["--json"], environment: [:], sourceLocation: sourceLocation)
    let members = JSONLine(lines.last ?? "")?.members ?? [:]
    try #require(!members.isEmpty, "\(lines)", sourceLocation: sourceLocation)
    return members.mapValues { Int($0) ?? -1 }
  }

  static func value(_ name: String, _ content: String = "AAAA") -> String {
    "{\"image_name\": \"\(name)\", \"image_content\": \"\(content)\"}"
  }

  func names(_ place: String) -> [String] {
    ((try? Folder.open(folder.path + "/" + place).names()) ?? []).sorted()
  }

  @Test("dead letters are listed with their reasons, one per line") func lettersAreListedWithReasons() throws {
    let broker = try Broker.preferred()
    let length = MessageHeader(name: "image-length", value: Array("4".utf8))
    try broker.send([
      .image("good.jpg", [1]), .text("no JSON", key: "the key"), .text(Self.value("../x.jpg")),
      .text(Self.value("a\\n\\\"b.jpg"), headers: [length]), TestMessage(key: [0xFF, 0x25], value: nil),
    ])
    let stored = try Program.storeAll(in: folder, broker).output
    #expect(stored.log.stored == 1 && stored.log.summary?.number("dead_letters") == 4)
    let lines = try run(broker)
    try #require(lines.count == 5, "\(lines)")
    let place = " topic=\(broker.topic) partition=0 offset="
    for (offset, said) in [
      (1, " key=\"the key\" bytes=7 stage=VALUE_CONVERTER kind=EnvelopeError reason=\""),
      (2, " image=../x.jpg bytes=51 stage=TASK_PUT kind=NameRefusal reason=\""),
      (3, " image=\"a\\n\\\"b.jpg\" bytes=53 stage=VALUE_CONVERTER kind=LengthMismatch reason=\""),
      (4, " key=%FF%25 bytes=0 stage=VALUE_CONVERTER kind=EnvelopeError reason=\""),
    ] {
      let line = lines.first { $0.contains(place + "\(offset) ") } ?? ""
      #expect(line.hasPrefix("time=2") && line.contains(said), "\(lines)")
      #expect(line.contains(" letter=\(broker.topic)-dlq/"))
    }
    #expect(lines.last == "4 dead letters")
    let json = try run(broker, "--json").compactMap { JSONLine($0) }
    try #require(json.count == 5, "\(json)")
    #expect(
      json.contains { $0.has(["offset": "3", "image": "a\n\"b.jpg", "bytes": "53", "kind": "LengthMismatch"]) },
      "\(json)")
    #expect(json[4].has(["total": "4", "in_topic": "4", "on_disk": "0"]))
  }

  @Test("a topic without dead letters is reported as such") func emptyListIsReported() throws {
    let broker = try Broker.preferred()
    #expect(try run(broker).count == 1)
    #expect(try counts(broker)["total"] == 0)
    // Listing creates nothing.
    #expect(names(".").filter { !$0.hasPrefix("output-") } == [])
  }

  @Test("a dead letter that was sent several times is listed and replayed once") func repeatedLettersCountOnce() throws
  {
    let broker = try Broker.preferred()
    try broker.send([.text("one"), .text("two")])
    _ = try Program.storeAll(in: folder, broker)
    var copies = try broker.deadLetters()
    for index in copies.indices { (copies[index].partition, copies[index].offset) = (nil, -1) }
    // Two different ones, at the same offset of a re-created topic.
    var (later, other) = (copies[0], copies[0])
    later.headers.append(MessageHeader(name: "__connect.errors.timestamp", value: Array("1".utf8)))
    other.value = Array("three".utf8)
    try broker.send(copies + copies + [later, other], to: broker.topic + "-dlq")
    #expect(try counts(broker)["total"] == 4)
    // None is replayed twice.
    #expect(try counts(broker, "--replay")["sent_back"] == 4)
    #expect(try broker.messageCount(broker.topic) == 6)
  }

  @Test("messages that are no dead letters of this topic are listed and not replayed")
  func foreignMessagesAreLeftThere() throws {
    let broker = try Broker.preferred()
    func error(_ name: String, _ value: String) -> MessageHeader {
      MessageHeader(name: "__connect.errors." + name, value: Array(value.utf8))
    }
    try broker.send(
      [
        .text("hello"), TestMessage(key: nil, value: nil), TestMessage(key: [], value: []),
        .text("x", headers: [error("topic", broker.topic), error("partition", "-1"), error("offset", "zero")]),
        .text("y", headers: [error("topic", "another"), error("partition", "0"), error("offset", "0")]),
        .text("y", headers: [error("topic", broker.topic), error("partition", "0"), error("offset", "9")]),
      ], to: broker.topic + "-dlq")
    let lines = try run(broker)
    let listed = try counts(broker)
    #expect(listed["total"] == 1 && listed["stay"] == 5, "\(listed)")
    // Four of them name no topic, and one names another.
    let reasons = lines.compactMap { line in line.firstRange(of: " stays=").map { line[$0.upperBound...] } }
    #expect(reasons.count == 5 && reasons.count { $0.contains(broker.topic) } == 1, "\(lines)")
    let replay = try Program(["dead-letters", "--replay", "--json"], in: folder, environment: broker.environment())
    #expect(replay.exitCode() == 0, "\(replay.output)")
    #expect(replay.results.last?.has(["sent_back": "1", "stay": "5"]) == true, "\(replay.output)")
    #expect(replay.events("dead_letter_skipped").count == 5, "\(replay.output)")
    #expect(try broker.messages(broker.topic).map(\.value) == [Array("y".utf8)])
    // They are still listed.
    let left = try counts(broker)
    #expect(left["total"] == 0 && left["stay"] == 5 && left["sent_back_before"] == 1, "\(left)")
  }

  @Test("replayed dead letters are stored once their cause is fixed") func replayedLettersAreStored() throws {
    let broker = try Broker.preferred(partitions: 3)
    try folder.write(TestFolder.output + "/cat", [1])
    var images = sampleImages(9)
    images["cat/large.png"] = SeededNumbers.bytes(9_000, seed: 3)
    let own = MessageHeader(name: "own", value: [0, 255])
    var messages = sampleImages(9).sorted { $0.key < $1.key }.map { TestMessage.image($0.key, $0.value) }
    messages += TestMessage.segments("cat/large.png", images["cat/large.png"]!, size: 2_000)
    for index in messages.indices { messages[index].headers.append(own) }
    try broker.send(messages)
    let before = try broker.messages(broker.topic)
    #expect(try Program.storeAll(in: folder, broker).log.summary?.number("dead_letters") == 10)
    #expect(try counts(broker)["total"] == 10)

    try folder.remove(TestFolder.output + "/cat")
    #expect(try counts(broker, "--replay")["sent_back"] == 10)
    let all = try broker.messages(broker.topic)
    let sentBack = all.filter { message in
      !before.contains { $0.partition == message.partition && $0.offset == message.offset }
    }
    let refused = before.filter { $0.key?.starts(with: Array("cat/".utf8)) == true }
    #expect(sentBack.count == refused.count)
    // Unchanged, on the key's partition, segments in order.
    for key in Set(refused.map(\.key)) {
      #expect(sentBack.filter { $0.key == key } == refused.filter { $0.key == key })
      #expect(
        Set(sentBack.filter { $0.key == key }.map(\.partition))
          == Set(refused.filter { $0.key == key }.map(\.partition)))
    }
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)

    // Replayed letters are remembered.
    #expect(try run(broker).count == 1)
    let left = try counts(broker)
    #expect(left["total"] == 0 && left["sent_back_before"] == 10, "\(left)")
    #expect(try counts(broker, "--replay")["sent_back"] == 0)
    #expect(try broker.messageCount(broker.topic) == all.count)
    let listed = try run(broker, "--all")
    #expect(listed.count { $0.hasSuffix(" replayed=true") } == 10)
    #expect(try counts(broker, "--all") == left)
  }

  @Test("a replayed dead letter whose cause is not fixed becomes a new dead letter") func unfixedLetterReturns() throws
  {
    let broker = try Broker.preferred()
    try broker.send([.text("one", headers: [MessageHeader(name: "own", value: [7])])])
    for round in 0..<3 {
      _ = try Program.storeAll(in: folder, broker)
      #expect(try run(broker).filter { $0.contains(" offset=\(round) ") }.count == 1)
      #expect(try counts(broker, "--replay")["sent_back"] == 1)
    }
    let letters = try broker.deadLetters()
    #expect(letters.map { $0.header("__connect.errors.offset") } == ["0", "1", "2"])
    for letter in letters {
      #expect(Set(letter.headers.map(\.name)).count == letter.headers.count)
      #expect(letter.headers.first?.value == [7])
    }
  }

  @Test("dead letters on disk are listed and replayed once") func lettersOnDiskAreReplayedOnce() throws {
    let broker = try Broker()
    let messages = [
      TestMessage.text("one", key: "%\n", headers: [MessageHeader(name: "n", nullableValue: nil)]),
      TestMessage(key: nil, value: nil),
      TestMessage(key: [], value: [], headers: [MessageHeader(name: "é:", value: [])]),
      TestMessage(key: [0xFF, 0], value: Array(0...255)),
    ]
    try broker.send(messages)
    // The consumer has no lasting broker, so letters go to disk.
    let log = try LocalConsumer.storeAll(in: folder, broker)
    #expect(log.events("message_dead_lettered").count == 4, "\(log)")
    #expect(names(Self.disk).count == 4)
    try folder.write(Self.disk + "/torn.letter", Array("image-pipeline dead".utf8))
    let lines = try run(broker)
    let listed = try counts(broker)
    #expect(listed["total"] == 4 && listed["on_disk"] == 4 && listed["stay"] == 1, "\(listed)")
    #expect(lines.contains { $0.contains("torn.letter stays=\"") }, "\(lines)")
    let replayed = try counts(broker, "--replay")
    #expect(replayed["sent_back"] == 4 && replayed["stay"] == 1, "\(replayed)")
    let sentBack = try broker.messages(broker.topic).dropFirst(4)
    #expect(sentBack.count == 4)
    for message in messages {
      #expect(
        sentBack.contains { $0 == message && $0.headers.map(\.isNull) == message.headers.map(\.isNull) }, "\(message)")
    }
    #expect(names(Self.disk) == ["replayed", "torn.letter"])
    #expect(names(Self.disk + "/replayed").count == 4)
    let again = try counts(broker, "--replay")
    #expect(again["sent_back"] == 0 && again["stay"] == 1, "\(again)")
    #expect(try broker.messageCount(broker.topic) == 8)
    #expect(try run(broker, "--all").count { $0.hasSuffix(" replayed=true") } == 4)
  }

  @Test("dead letters that cannot be sent back are named and stay") func refusedReplayKeepsLetters() throws {
    let broker = try Broker()
    try broker.send([.text("one"), .text("two")])
    try LocalConsumer.storeAll(in: folder, broker)
    // Produce: TOPIC_AUTHORIZATION_FAILED.
    broker.failNextRequests(api: 0, errors: Array(repeating: 29, count: 100))
    let program = try Program(["dead-letters", "--replay", "--json"], in: folder, environment: broker.environment())
    #expect(program.exitCode() == 1, "\(program.output)")
    #expect(program.results.last?.has(["sent_back": "0", "failed": "2"]) == true, "\(program.output)")
    let failures = program.events("dead_letter_replay_failed", ["error": "TOPIC_AUTHORIZATION_FAILED"])
    #expect(failures.count == 2, "\(program.output)")
    broker.clearFailures(api: 0)
    #expect(try counts(broker, "--replay")["sent_back"] == 2)
  }

  @Test("dead letters on disk are listed without a broker") func lettersOnDiskNeedNoBroker() throws {
    let broker = try Broker()
    try broker.send([.text("one")])
    try LocalConsumer.storeAll(in: folder, broker)
    let program = try Program(
      ["dead-letters"], in: folder,
      environment: broker.environment(["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"]))
    #expect(eventually { program.output.contains(" offset=0 key=key ") }, "\(program.output)")
    program.signal(SIGTERM)
    #expect(program.exitCode() == 1)
  }
}
