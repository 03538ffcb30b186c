import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// A real broker that is down, or has lost the topic, for minutes, under both sides with default time-outs.
///
/// `make test-outage` runs these tests. `KAFKA_TEST_KILL` and `KAFKA_TEST_RESUME` stop and restart the broker;
/// `OUTAGE_SECONDS` is the length.
@Suite(
  .ownThread, .serialized,
  .enabled("OUTAGE_SECONDS says nothing, or no Apache Kafka is named") {
    Outage.span != nil && Broker.realServers != nil
  })
struct OutageTests {
  private let folder = TestFolder()

  /// Both sides with default settings.
  private func start(_ broker: Broker) throws -> [Outage.Side] {
    let environment = [
      "KAFKA_BOOTSTRAP_SERVERS": broker.servers, "TOPIC": broker.topic, "CONSUMER_GROUP": broker.group,
    ]
    return try ["producer", "consumer"].map { Outage.Side(try Program([$0], in: folder, environment: environment)) }
  }

  private func write(_ numbers: Range<Int>) throws -> [String: [UInt8]] {
    var images: [String: [UInt8]] = [:]
    for number in numbers {
      // One in fifty needs several messages.
      let bytes = SeededNumbers.bytes(number % 50 == 7 ? 2_000_000 : 2_000 + number, seed: UInt64(number))
      images["\(number % 3)/\(number).jpg"] = bytes
      try folder.write("images/\(number % 3)/\(number).jpg", bytes)
    }
    return images
  }

  /// Two new images per second. Returns them.
  private func letPass(_ span: Duration, from first: Int) throws -> [String: [UInt8]] {
    var images: [String: [UInt8]] = [:]
    let end = ContinuousClock.now + span
    var number = first
    while ContinuousClock.now < end {
      images.merge(try write(number..<number + 1)) { $1 }
      number += 1
      pause(.milliseconds(500))
    }
    return images
  }

  private func end(_ sides: [Outage.Side], _ broker: Broker, _ images: [String: [UInt8]]) throws {
    for side in sides { #expect(side.program.terminate() == 0, "\(side.program.output.suffix(4_000))") }
    try expectStored(images, in: folder)
    let verify = try Program(["verify"], in: folder)
    #expect(verify.exitCode() == 0, "\(verify.output)")
    let again = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(again.exitCode() == 0 && again.sent == 0, "\(again.output)")
  }

  @Test(
    "a broker that is down for minutes loses nothing and costs little CPU and log",
    .enabled("KAFKA_TEST_KILL and KAFKA_TEST_RESUME name no commands") { ChaosBroker.Commands.environment != nil })
  func longOutageLosesNothing() throws {
    let commands = try #require(ChaosBroker.Commands.environment)
    let span = try #require(Outage.span)
    func run(_ command: String) throws {
      let program = try Program(["-c", command], in: folder, environment: ["NODE": ""], executable: "/bin/sh")
      #expect(program.exitCode(within: .seconds(120)) == 0, "\(program.output)")
    }
    let broker = try Broker.preferred(partitions: 2)
    var images = try write(0..<40)
    let sides = try start(broker)
    #expect(eventually { folder.rows.count == 40 }, "\(sides.map(\.program.output))")
    try run(commands.kill)
    for side in sides { side.begin() }
    images.merge(try letPass(span, from: 40)) { $1 }
    for side in sides { side.expectPatience(span) }
    try run(commands.resume)
    #expect(eventually(within: .seconds(120)) { folder.rows.count == images.count }, "\(sides.map(\.program.output))")
    try end(sides, broker, images)
  }

  @Test("a topic that is missing for a minute is reported, and everything is stored once it is back")
  func missingTopicIsReported() throws {
    let broker = try Broker.preferred(partitions: 2)
    var images = try write(0..<40)
    let sides = try start(broker)
    #expect(eventually { folder.rows.count == 40 }, "\(sides.map(\.program.output))")
    try broker.removeTopics()
    for side in sides { side.begin() }
    images.merge(try letPass(.seconds(60), from: 40)) { $1 }
    for side in sides { side.expectPatience(.seconds(60)) }
    // A broker with auto.create.topics.enable re-created it when the producer asked.
    let makesTopics = try !broker.ranges(broker.topic).isEmpty
    print("  the topic was re-created by \(makesTopics ? "the broker" : "us")")
    let (producer, consumer) = (sides[0].program, sides[1].program)
    if !makesTopics {
      #expect(producer.hasEvent("image_unacknowledged"), "\(producer.output)")
      #expect(consumer.hasEvent("kafka_error", ["error": "UNKNOWN_TOPIC_OR_PART"]), "\(consumer.output)")
      #expect(folder.rows.count == 40)
      let client = try KafkaProducer(broker.settings()) { _ in }
      _ = try client.createTopic(broker.topic, partitions: 2, timeout: .seconds(30))
      client.close()
    }
    let isStored = eventually(within: .seconds(120)) { folder.rows.count == images.count }
    #expect(isStored, "\(folder.rows.count) of \(images.count)\n\(sides.map(\.program.output))")
    #expect(producer.hasEvent("topic_recreated", naming: "image-pipeline producer --resend"), "\(producer.output)")
    #expect(consumer.hasEvent("topic_recreated"), "\(consumer.output)")
    try end(sides, broker, images)
  }
}

enum Outage {
  static let span = getenv("OUTAGE_SECONDS").flatMap { Int(String(cString: $0)) }.map { Duration.seconds($0) }

  /// One side, and its use of log and CPU when the outage began.
  final class Side {
    let program: Program
    private var lines = 0
    private var processor = Duration.zero

    init(_ program: Program) { self.program = program }

    private var lineCount: Int { program.output.split(separator: "\n").count }

    func begin() { (lines, processor) = (lineCount, program.processorTime ?? .zero) }

    /// Expects it to run, with little log and CPU time since.
    func expectPatience(_ span: Duration) {
      let said = (lineCount - lines) * 60 / Int(span.components.seconds)
      let share = program.processorTime.map { ($0 - processor) / span } ?? .infinity
      let peak = program.peakMemory ?? .max
      print("  \(said) lines a minute, \(share) s of CPU time a second, \(peak >> 20) MB at most")
      #expect(!program.hasEnded, "\(program.output.suffix(4_000))")
      #expect(said < 30, "\(program.output.suffix(8_000))")
      #expect(share < 0.1)
      #expect(peak < 96 << 20)
    }
  }
}
