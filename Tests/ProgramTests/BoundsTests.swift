import Glibc
import TestSupport
import Testing

@testable import Platform
@testable import Wire

/// Neither side takes more than 96 MB, whatever the folder, the images or the backlog. The kernel's count of peak
/// resident memory decides.
///
/// Small in `make test`, in full in `make test-bounds`. A sanitizer takes many times the memory.
@Suite(.ownThread, .serialized, .enabled("under a sanitizer, memory says nothing") { !Sanitizer.isOn })
struct BoundsTests {
  private let folder = TestFolder()
  private static let limit = 96 << 20
  static let isFull = getenv("TEST_BOUNDS").map { String(cString: $0) == "full" } ?? false
  /// The embedded broker keeps 5 MiB per partition, too little for a backlog.
  private static let hasBroker = Broker.realServers != nil

  /// Clients of real brokers use the library's own wait, which the other tests shorten.
  private func environment(_ broker: Broker, _ more: [String: String] = [:]) -> [String: String] {
    broker.environment(["KAFKA_FETCH_WAIT_MAX_MS": "500"].merging(more) { $1 })
  }

  private func size(_ small: Int, full: Int) -> Int { Self.isFull ? full : small }

  /// Runs the program to its end and expects success within the limit. Returns its output.
  @discardableResult
  private func run(
    _ arguments: [String], _ environment: [String: String], limit: Int = Self.limit,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let program = try Program(arguments, in: folder, environment: environment)
    let (code, peak) = program.exitCodeAndPeakMemory(within: .seconds(900))
    print("  peak memory of \(arguments.joined(separator: " ")): \(peak >> 20) MB")
    if let summary = program.output.split(separator: "\n").last { print("  \(summary)") }
    #expect(code == 0, "\(program.output.suffix(2_000))", sourceLocation: sourceLocation)
    #expect(peak > 4 << 20 && peak < limit, "\(peak >> 20) MB", sourceLocation: sourceLocation)
    return program.output
  }

  private func sendAndStore(_ environment: [String: String]) throws {
    try run(["producer", "--once"], environment)
    try run(["consumer", "--until-idle", "1"], environment)
    let verify = try Program(["verify"], in: folder, environment: environment)
    #expect(verify.exitCode(within: .seconds(300)) == 0, "\(verify.output.suffix(2_000))")
  }

  @Test("an image of any size is carried in bounded memory", .enabled("needs a real broker") { hasBroker })
  func largeImageIsCarried() throws {
    try folder.writeLarge("images/large.tif", bytes: size(60_000_000, full: 1_000_000_000))
    try sendAndStore(environment(try Broker.preferred()))
  }

  @Test("a backlog of any length is stored in bounded memory", .enabled("needs a real broker") { hasBroker })
  func backlogIsStored() throws {
    let count = size(20_000, full: 100_000)
    for number in 0..<count {
      try folder.write("images/\(number % 50)/\(number).jpg", SeededNumbers.bytes(number % 300, seed: 1))
    }
    let environment = environment(try Broker.preferred())
    try run(["producer", "--once"], environment)
    try run(["consumer", "--until-idle", "1"], environment)
    #expect(folder.rows.count == count)
  }

  /// Fetched messages are stored at once, not after a fetch that waits for more.
  @Test("fetched messages are stored at once, not after the next fetch", .enabled("needs a real broker") { hasBroker })
  func fetchedMessagesAreStoredAtOnce() throws {
    let broker = try Broker.preferred()
    try broker.send(sampleImages(600).map { .image($0.key, $0.value) })
    let environment = environment(broker, ["BATCH_IMAGES": "10"])
    let start = ContinuousClock.now
    try run(["consumer", "--count", "600"], environment)
    // One second per batch if each waits.
    #expect(ContinuousClock.now - start < .seconds(30))
  }

  /// Each partition is fetched ahead.
  @Test("many partitions take no more memory than one", .enabled("needs a real broker") { hasBroker })
  func partitionsTakeNoMoreMemory() throws {
    let broker = try Broker.preferred(partitions: 50)
    for number in 0..<size(100, full: 300) {
      try folder.write("images/\(number).jpg", SeededNumbers.bytes(700_000, seed: UInt64(number)))
    }
    try sendAndStore(environment(broker))
  }

  /// Compressed, they are a twentieth of their size.
  @Test("highly compressible images take no more memory than others", .enabled("needs a real broker") { hasBroker })
  func compressibleImagesTakeNoMore() throws {
    for number in 0..<size(100, full: 400) {
      try folder.write("images/\(number).bmp", Array("\(number)".utf8) + [UInt8](repeating: 255, count: 700_000))
    }
    try sendAndStore(environment(try Broker.preferred(partitions: 20)))
  }

  /// As many producers send them at the same time.
  @Test(
    "many large images that arrive at the same time are stored in bounded memory",
    .enabled("needs a real broker") { hasBroker }) func parallelLargeImagesAreStored() throws
  {
    let broker = try Broker.preferred()
    let segments = size(4, full: 28)
    let images = (0..<size(20, full: 50)).map { SeededNumbers.bytes(segments * 720_000, seed: UInt64($0)) }
    let messages = images.enumerated().map { TestMessage.plan("\($0).tif", $1, size: 720_000) }
    for index in 0..<segments { try broker.send(messages.map { $0(index) }) }
    try run(["consumer", "--until-idle", "1"], environment(broker))
    for (number, image) in images.enumerated() {
      #expect(folder.bytes(TestFolder.output + "/\(number).tif") == image, "\(number).tif")
    }
  }

  @Test(
    "a topic of unusable messages becomes dead letters in bounded memory", .enabled("needs a real broker") { hasBroker }
  ) func poisonTakesBoundedMemory() throws {
    let broker = try Broker.preferred()
    let poison = String(repeating: "x", count: 900_000)
    for _ in 0..<size(4, full: 20) {
      try broker.send((0..<20).map { TestMessage.text("{\"image_name\": \"\(poison)\($0)", key: "\($0)") })
    }
    try run(["consumer", "--until-idle", "1"], environment(broker))
    #expect(try broker.messageCount(broker.topic + "-dlq") == size(80, full: 400))
    let said = try run(["dead-letters", "--replay", "--json"], environment(broker))
    #expect(said.results.last?.number("sent_back") == size(80, full: 400), "\(said.suffix(500))")
    #expect(try broker.messageCount(broker.topic) == size(160, full: 800))
  }

  /// A large image with a wrong hash is read again from the topic for its dead letters.
  @Test(
    "a large image with a wrong hash becomes dead letters in bounded memory",
    .enabled("needs a real broker") { hasBroker }) func largeDeadLetterTakesBoundedMemory() throws
  {
    let broker = try Broker.preferred()
    let piece = SeededNumbers.bytes(720_000, seed: 1)
    let length = size(40, full: 1_389) * piece.count
    for start in stride(from: 0, to: length, by: 20 * piece.count) {
      try broker.send(
        stride(from: start, to: min(length, start + 20 * piece.count), by: piece.count).map {
          .piece(of: "large.tif", length, piece, at: $0)
        })
    }
    let said = try run(["consumer", "--until-idle", "1"], environment(broker))
    let isNamed = said.log.hasEvent("message_dead_lettered", ["kind": "DigestMismatch"], naming: "\(length) bytes")
    #expect(isNamed, "\(said.suffix(500))")
    #expect(try broker.messageCount(broker.topic + "-dlq") == length / piece.count)
    #expect(folder.rows == [])
  }

  @Test("a producer whose broker is down takes no more memory") func waitingProducerTakesNoMore() throws {
    let broker = try Broker()
    let topic = try TopicContent(broker)
    try folder.makeFolder("images")
    let producer = try Program(["producer"], in: folder, environment: broker.environment(["RESCAN_MS": "100"]))
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    broker.setDown(true)
    for number in 0..<200 {
      try folder.write("images/\(number).jpg", SeededNumbers.bytes(700_000, seed: UInt64(number)))
    }
    try folder.writeLarge("images/large.tif", bytes: 60_000_000)
    for number in 0..<size(5_000, full: 100_000) { try folder.write("images/small/\(number).jpg", [1]) }
    #expect(eventually { producer.hasEvent("librdkafka_log", naming: "_ALL_BROKERS_DOWN") }, "\(producer.output)")
    pause(.seconds(3))  // The span in which it would go on reading.
    let peak = try #require(producer.peakMemory)
    print("  peak memory of a producer whose broker is away: \(peak >> 20) MB")
    #expect(peak < Self.limit, "\(peak >> 20) MB")
    producer.signal(SIGKILL)
  }

  /// Two sides and a broker that keeps 5 MiB in memory for each of four partitions.
  @Test("a demo stays below 160 MB") func demoStaysBelow160MB() throws {
    try folder.writeLarge("images/large.tif", bytes: size(60_000_000, full: 300_000_000))
    for number in 0..<size(2_000, full: 10_000) {
      try folder.write("images/\(number).jpg", SeededNumbers.bytes(3_000, seed: 1))
    }
    let output = try run(["demo", "--input", "images", "--output", "out"], ["SETTLE_MS": "0"], limit: 160 << 20)
    #expect(output.numbers(in: "verified").count == 1, "\(output)")
  }
}

extension TestFolder {
  /// A file of any size, written piece by piece.
  fileprivate func writeLarge(_ name: String, bytes: Int) throws {
    let file = try File.open(try write(name, []), .create)
    let piece = SeededNumbers.bytes(1_000_000, seed: 42)
    for start in stride(from: 0, to: bytes, by: piece.count) {
      try piece.withUnsafeBytes {
        try file.write(UnsafeRawBufferPointer(rebasing: $0[..<min(piece.count, bytes - start)]), at: start)
      }
    }
  }
}

extension TestMessage {
  /// A segment of an image whose hash header is wrong.
  fileprivate static func piece(of name: String, _ length: Int, _ piece: [UInt8], at position: Int) -> TestMessage {
    let wrong = piece.withUnsafeBytes { SHA256.hash($0) }
    var message = image(name, piece)
    message.headers =
      ImageHeaders(digest: wrong, length: length).kafkaHeaders
      + segmentHeaders(name, wrong, index: position / piece.count, count: length / piece.count, position: position)
    return message
  }

  /// Creates an image's segments on demand, by index.
  fileprivate static func plan(_ name: String, _ bytes: [UInt8], size: Int) -> (Int) -> TestMessage {
    let digest = bytes.withUnsafeBytes { SHA256.hash($0) }
    let count = (bytes.count + size - 1) / size
    return { index in
      segment(name, bytes, size: size, index: index, count: count, digest: digest)
    }
  }
}
