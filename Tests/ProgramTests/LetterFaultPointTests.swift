import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// Kills on a dead letter's way out and back.
@Suite(.ownThread) struct LetterFaultPointTests {
  static let points: [FaultPoint] = [.lettersDelivered, .letterWritten, .assemblyExpired, .lettersSentBack]

  private let folder = TestFolder()
  private static let segments = TestFolder.output + "/.image-pipeline/segments"
  private static let small = ["BATCH_IMAGES": "4"]

  /// Good images. In between: unreadable messages, impossible names, and an image whose segments do not match its hash.
  private func messages() -> (all: [TestMessage], images: [String: [UInt8]], bad: Set<Int64>) {
    var images: [String: [UInt8]] = [:]
    var all: [TestMessage] = []
    for number in 0..<9 {
      let (name, bytes) = ("\(number).jpg", SeededNumbers.bytes(300, seed: UInt64(number)))
      images[name] = bytes
      all.append(.image(name, bytes))
      all.append(number % 2 == 0 ? .text("bad \(number)") : .image("cat/\(number).jpg", bytes))
    }
    let wrong = [1].withUnsafeBytes { SHA256.hash($0) }
    let parts = TestMessage.segments("large.png", SeededNumbers.bytes(5_000, seed: 20), size: 1_500, digest: wrong)
    for (number, part) in parts.enumerated() { all.insert(part, at: 3 + number * 4) }
    let bad = all.indices.filter { index in
      let key = String(decoding: all[index].key ?? [], as: UTF8.self)
      return images[key] == nil
    }
    return (all, images, Set(bad.map { Int64($0) }))
  }

  private func isKilled(_ arguments: [String], _ environment: [String: String], at point: FaultPoint, visit: Int = 1)
    throws
  {
    let fault = ["FAULT_POINT": "\(point.rawValue):\(visit)"]
    let victim = try Program(arguments, in: folder, environment: environment.merging(fault) { $1 })
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
  }

  /// The offsets of messages with dead letters, each once, however often the letter was sent.
  private func listed(_ broker: Broker) throws -> [Int64] {
    let program = try Program(
      ["dead-letters"], in: folder, environment: broker.environment(["LOG_LEVEL": "error"]))
    #expect(program.exitCode() == 0, "\(program.output)")
    return program.output.split(separator: "\n").compactMap { line in
      line.split(separator: " ").first { $0.hasPrefix("offset=") }.flatMap { Int64($0.dropFirst(7)) }
    }.sorted()
  }

  /// - Returns: how many dead letters were sent back.
  private func replay(_ broker: Broker) throws -> Int? {
    let program = try Program(["dead-letters", "--replay", "--json"], in: folder, environment: broker.environment())
    #expect(program.exitCode() == 0, "\(program.output)")
    return program.results.last?.number("sent_back")
  }

  /// Kafka refuses all letters, so they are files.
  private func refuseLetters(_ broker: Broker) {
    broker.failNextRequests(api: 0, errors: Array(repeating: 29, count: 1_000))
  }

  @Test(
    "a consumer that is killed on a dead letter's way loses neither letter nor image",
    arguments: [FaultPoint.lettersDelivered, .letterWritten], [[1, 1], [2], [3], [5]])
  func killedConsumerLosesNoLetter(point: FaultPoint, visits: [Int]) throws {
    let onDisk = point == .letterWritten
    let broker = onDisk ? try Broker() : try Broker.preferred()
    try folder.write(TestFolder.output + "/cat", [1])
    let (messages, images, bad) = messages()
    try broker.send(messages)
    if onDisk { refuseLetters(broker) }
    let environment = broker.environment(Self.small)
    for visit in visits { try isKilled(["consumer", "--until-idle", "0.3"], environment, at: point, visit: visit) }
    _ = try Program.storeAll(in: folder, broker, Self.small)
    #expect(try listed(broker) == bad.sorted())
    #expect(try broker.hasDeadLetters != onDisk)
    try folder.remove(TestFolder.output + "/cat")
    try expectStored(images, in: folder)
    let stored = try Program.storeAll(in: folder, broker, Self.small).output
    #expect(stored.log.hasEvent("consumer_finished", ["images": "0", "dead_letters": "0"]), "\(stored)")
  }

  @Test(
    "a consumer that is killed while it expires an image loses no dead letter",
    arguments: [FaultPoint.lettersDelivered, .assemblyExpired])
  func killedWhileExpiringLosesNothing(point: FaultPoint) throws {
    let broker = try Broker.preferred()
    let image = SeededNumbers.bytes(5_000, seed: 3)
    let parts = TestMessage.segments("large.png", image, size: 1_500)
    try broker.send([parts[0], .image("good.jpg", [1]), parts[2]])
    let environment = broker.environment(["SEGMENT_TIMEOUT": "1"])
    try isKilled(["consumer"], environment, at: point)
    let consumer = try Program(["consumer"], in: folder, environment: environment)
    #expect(
      eventually { try Folder.open(folder.path + "/" + Self.segments).names() == [] }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    #expect(try listed(broker) == [0, 2])
    try expectStored(["good.jpg": [1]], in: folder)
    // Replayed together with the missing segment, they make the image.
    #expect(try replay(broker) == 2)
    try broker.send([parts[1], parts[3]])
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["good.jpg": [1], "large.png": image], in: folder)
  }

  @Test("dead letters whose replay was not recorded are stored once", arguments: ["topic", "disk"])
  func unrecordedReplayIsStoredOnce(place: String) throws {
    let broker = place == "disk" ? try Broker() : try Broker.preferred(partitions: 3)
    try folder.write(TestFolder.output + "/cat", [1])
    var images = sampleImages(9)
    var messages = images.sorted { $0.key < $1.key }.map { TestMessage.image($0.key, $0.value) }
    images["cat/large.png"] = SeededNumbers.bytes(5_000, seed: 3)
    messages += TestMessage.segments("cat/large.png", images["cat/large.png"]!, size: 1_500)
    try broker.send(messages)
    if place == "disk" { refuseLetters(broker) }
    _ = try Program.storeAll(in: folder, broker)
    #expect(try listed(broker).count == 9)
    if place == "disk" { broker.clearFailures(api: 0) }
    try folder.remove(TestFolder.output + "/cat")
    try isKilled(["dead-letters", "--replay"], broker.environment(), at: .lettersSentBack)
    #expect(try broker.messageCount(broker.topic) > messages.count)
    #expect(try replay(broker) == 9)
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)
    #expect(try replay(broker) == 0)
  }
}
