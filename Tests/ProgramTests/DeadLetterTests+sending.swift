import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// How dead letters are sent: to their topic, or to disk.
extension DeadLetterTests {
  @Test(
    "the topic of dead letters has no retention limit",
    .enabled("no Apache Kafka is named") { Broker.realServers != nil })
  func letterTopicHasNoRetentionLimit() throws {
    let broker = try Broker.preferred()
    try broker.send([.text("one")])
    _ = try Program.storeAll(in: folder, broker)
    let client = try KafkaProducer(broker.settings()) { _ in }
    defer { client.close() }
    let source = try client.topicSettings(broker.topic, timeout: .seconds(30))
    let letters = try client.topicSettings(broker.topic + "-dlq", timeout: .seconds(30))
    #expect(letters["retention.ms"] == "-1" && letters["retention.bytes"] == "-1")
    #expect(letters["cleanup.policy"] == "delete")
    let limits = [letters, source].map { $0["max.message.bytes"].flatMap { Int($0) } ?? 0 }
    #expect(limits[0] == limits[1] + 65_536)
  }

  @Test("a dead letter larger than the client's queue still goes to its topic") func letterMayExceedClientQueue() throws
  {
    let broker = try Broker.preferred()
    let large = [UInt8](repeating: 0x61, count: 900_000)
    try broker.send([TestMessage(key: [1], value: large)])
    _ = try Program.storeAll(
      in: folder, broker,
      ["KAFKA_QUEUE_BUFFERING_MAX_KBYTES": "500", "KAFKA_MESSAGE_MAX_BYTES": "100000", "SEGMENT_BYTES": "1000"])
    #expect(try broker.deadLetters().map(\.value?.count) == [large.count])
    #expect(names(Self.disk) == [])
  }

  @Test("a stream of unusable messages is processed quickly and once", arguments: ["content", "name"])
  func poisonStreamAdvances(kind: String) throws {
    let broker = try Broker.preferred()
    try folder.write(TestFolder.output + "/cat", [1])
    let number = 2_000
    try broker.send(
      (0..<number).map { .text(kind == "name" ? Self.value("cat/\($0).jpg") : "poison \($0)", key: "\($0)") })
    let start = ContinuousClock.now
    let output = try Program.storeAll(in: folder, broker, ["LOG_LEVEL": "info"]).output
    let took = ContinuousClock.now - start
    let summary = try #require(output.log.summary, "\(output.suffix(300))")
    #expect(summary.number("images") == 0 && summary.number("bytes") == 0, "\(summary)")
    #expect(summary.number("dead_letters") == 2_000, "\(summary)")
    // Reading an unknown offset from the embedded broker takes 6 s, once. Waiting for each letter separately would take
    // minutes.
    #expect(took < .seconds(30), "\(took)")
    print("\(number) letters of \(kind): \(took)")
    #expect(try broker.messageCount(broker.topic + "-dlq") == number)
    #expect(try Program.storeAll(in: folder, broker).stored == 0)
    #expect(try broker.messageCount(broker.topic + "-dlq") == number)
    #expect(try counts(broker)["total"] == number)
  }

  @Test("dead letters that their topic refuses go to disk; the consumer stays in its group")
  func refusedLettersGoToDisk() throws {
    let broker = try Broker()
    try broker.send([.text("poison"), .image("good.jpg", [2])])
    // API 0 is Produce, error 19 NOT_ENOUGH_REPLICAS, which the client retries longer than a letter is awaited.
    broker.failNextRequests(api: 0, errors: Array(repeating: 19, count: 1_000))
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment(Broker.shortPollInterval))
    #expect(eventually { consumer.assignments == 1 }, "\(consumer.output)")
    expectKeptWaiting(consumer) { folder.rows == [] && names(Self.disk) == [] }
    #expect(eventually { folder.rowNames == ["good.jpg"] }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    #expect(!consumer.wasExpelled && consumer.assignments == 1, "\(consumer.output)")
    #expect(names(Self.disk).count == 1)
    try expectStored(["good.jpg": [2]], in: folder)
  }

  @Test("a consumer that is killed at random loses no dead letter") func killedConsumerLosesNoLetter() throws {
    let broker = try Broker.preferred(partitions: 2)
    try folder.write(TestFolder.output + "/cat", [1])
    let images = sampleImages(150)
    var messages: [TestMessage] = []
    for (name, bytes) in images.sorted(by: { $0.key < $1.key }) {
      messages += [.image(name, bytes), .text("bad " + name)]
    }
    messages += (0..<10).flatMap { number in
      TestMessage.segments("cat/large-\(number).png", SeededNumbers.bytes(5_000, seed: UInt64(number)), size: 1_000)
    }
    try broker.send(messages)
    var kills = 0
    var numbers = SeededNumbers.printed()
    while kills < 8 {
      let before = folder.rows.count
      let consumer = try Program(["consumer"], in: folder, environment: broker.environment(["BATCH_IMAGES": "5"]))
      // As soon as it stores images or dead letters. On a loaded machine, one image's letters take seconds.
      let works = eventually {
        folder.rows.count > before || folder.rows.count == 75
          || consumer.hasEvent("message_dead_lettered")
      }
      try #require(works, "\(consumer.output)")
      pause(.milliseconds(numbers.number(0...30)))
      consumer.signal(SIGKILL)
      _ = consumer.exitCode()
      kills += 1
    }
    _ = try Program.storeAll(in: folder, broker, ["BATCH_IMAGES": "5"])
    let dogs = images.filter { $0.key.hasPrefix("dog/") }
    try folder.remove(TestFolder.output + "/cat")
    try expectStored(dogs, in: folder)
    // 75 cats whose folder cannot be created, 150 messages that are no image, 50 segments.
    #expect(try counts(broker)["total"] == 275)
  }

  @Test("dead letters in a folder that may not be written stay, and are not sent") func readOnlyFolder() throws {
    let broker = try Broker()
    try broker.send([.text("one")])
    try LocalConsumer.storeAll(in: folder, broker)
    #expect(chmod(folder / Self.disk, 0o555) == 0)
    defer { chmod(folder / Self.disk, 0o755) }
    let replay = try Program.unprivileged(
      ["dead-letters", "--replay", "--json"], in: folder, environment: broker.environment())
    #expect(replay.exitCode() == 0, "\(replay.output)")
    #expect(replay.results.last?.has(["sent_back": "0", "stay": "1"]) == true, "\(replay.output)")
    #expect(replay.hasEvent("dead_letter_skipped"), "\(replay.output)")
    #expect(try broker.messageCount(broker.topic) == 1)
  }
}
